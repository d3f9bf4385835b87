"""Modules of the functions, run while the stack is built, in a process that sees what they see on Lambda.

It imports the code and what the layer holds, and nothing of the developer's environment: a dependency that is not
declared is missing here as it would be on Lambda. A process of its own, because what deploys and what is deployed meet
in files only, and a task file may do anything when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TIMEOUT_SECONDS = 120
CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"})
PROGRAM = """
import runpy, sys
count = int(sys.argv[1])
sys.path[:0] = sys.argv[2:2 + count]
sys.argv = sys.argv[2 + count:]
runpy.run_module(sys.argv[0], run_name="__main__")
"""


def run_module(module: str, *arguments: str, paths: Sequence[Path]) -> subprocess.CompletedProcess[str]:
    """`paths`: the code and its packages, in the order of the search. Raises TimeoutExpired."""
    command = [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, str(len(paths)), *map(str, paths), module, *arguments]
    # A client that is made when a file is imported finds a region, as on Lambda, and nobody's credentials.
    environment = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    environment |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(  # noqa: S603 - our own arguments
        command,
        cwd=paths[0],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
