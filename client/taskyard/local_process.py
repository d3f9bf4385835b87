"""The local system as a process of its own: where its source is, and the command that starts it."""

import importlib.util
import sys
from pathlib import Path

from taskyard.extras import MissingExtra

# Of the extra `dev`, what the local system cannot start without.
_NEEDED = ("moto", "awslambdaric", "cryptography", "croniter")
# The folder is on the path of this process only: nothing that it starts finds our packages by accident.
_PROGRAM = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('local', run_name='__main__')"


def runtime_folder() -> Path:
    """Has the folders functions/, local/ and requirements/: `_runtime` in the wheel, else the repository."""
    package = Path(__file__).resolve().parent
    in_wheel = package / "_runtime"
    return in_wheel if in_wheel.is_dir() else package.parents[1]


def local_command(*arguments: str) -> list[str]:
    """The command line of `python -m local` with these arguments. Raises MissingExtra."""
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("dev", package)
    return [sys.executable, "-c", _PROGRAM, str(runtime_folder()), *arguments]
