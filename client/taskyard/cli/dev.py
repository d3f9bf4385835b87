"""`taskyard dev`: the app of this folder, running on this machine, reloaded when its source changes."""

import argparse
import os
from typing import NoReturn

from taskyard.local_process import local_command


def dev(args: argparse.Namespace) -> NoReturn:
    """This process becomes the local system, so signals reach it. Raises MissingExtra."""
    command = local_command(*dev_arguments(args))
    os.execv(command[0], command)  # noqa: S606 - our own command


def dev_arguments(args: argparse.Namespace) -> list[str]:
    arguments = ["dev", "--port", str(args.port)]
    if args.stack:
        arguments += ["--stack", args.stack]
    for value in args.context or ():
        arguments += ["--context", value]
    return arguments + (["--no-reload"] if args.no_reload else [])
