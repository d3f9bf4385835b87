"""`taskyard init`. It talks to no API."""

import argparse
import json
from pathlib import Path

from taskyard import __version__
from taskyard.cli.exit_codes import ExitCode
from taskyard.project.create import create_project


def init(args: argparse.Namespace) -> ExitCode:
    folder, files = create_project(args.name, Path.cwd(), version=__version__)
    if args.json:
        print(json.dumps({"folder": str(folder), "files": [str(file) for file in files]}))
        return ExitCode.OK
    print("\n".join(f"  {folder.name}/{file}" for file in files))
    print(f"\nNext:\n  cd {folder.name}\n  make dev     # the whole system on this machine\n  make test")
    return ExitCode.OK
