"""Bytecode for the Python of Lambda, compiled here so that no cold start has to.

Python 3.13 reads only its own bytecode, so a 3.13 is looked for on this machine. Without one the assets are as valid
and start slower: that is said aloud, and the template's metadata tells it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

RUNTIME = (3, 13)
_PROBE = (
    "import sys; v = sys.version_info; "
    "print(v.major, v.minor, v.micro, v.releaselevel, sys.implementation.name, sys.executable)"
)


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """A Python that ran and is the runtime's. `version` is full, as `3.13.0`: it is part of the digest."""

    executable: str
    version: str


def _candidates() -> Iterator[str]:
    name = f"python{RUNTIME[0]}.{RUNTIME[1]}"
    yield sys.executable
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    # Before the PATH: pyenv's shim may stand there for a version that is not switched on, and fails slowly.
    yield from sorted(str(path) for path in installed.glob(f"{RUNTIME[0]}.{RUNTIME[1]}*/bin/{name}"))
    if on_path := shutil.which(name):
        yield on_path
    command = [find_uv_bin(), "python", "find", "--offline", "--system", f"{RUNTIME[0]}.{RUNTIME[1]}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if found.returncode == 0 and found.stdout.strip():
        yield found.stdout.strip()


def _probe(executable: str) -> Compiler | None:
    try:
        command = [executable, "-S", "-c", _PROBE]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - a Python
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ran.returncode != 0:
        return None
    major, minor, micro, level, implementation, path = ran.stdout.strip().split(" ", 5)
    if (int(major), int(minor)) != RUNTIME or level != "final" or implementation != "cpython":
        return None
    return Compiler(executable=path, version=f"{major}.{minor}.{micro}")


def find_compiler() -> Compiler | None:
    """The first Python 3.13 that runs: this one, pyenv's, the PATH's, uv's. None when there is none."""
    for executable in _candidates():
        if executable != sys.executable or sys.version_info[:2] == RUNTIME:
            compiler = _probe(executable)
            if compiler:
                return compiler
    return None


def compile_tree(compiler: Compiler, tree: Path, *, deployed_at: str) -> None:
    """Compile every module below `tree`, as if it stood at `deployed_at` (`/var/task`), the same bytes every time.

    The hash seed decides the order of set constants, so it is fixed. Unchecked: Lambda's file times differ from ours,
    and nobody edits a deployed file. Raises CalledProcessError when a module does not compile.
    """
    command = [compiler.executable, "-S", "-m", "compileall", "-q", "-f", "-j", "1"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", deployed_at, str(tree)]
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
    subprocess.run(command, check=True, env=environment, stdout=sys.stderr)  # noqa: S603 - our own arguments
