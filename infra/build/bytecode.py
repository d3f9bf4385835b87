"""Bytecode for the Python of Lambda, compiled here so that no cold start has to.

A Python reads only its own bytecode, so one of Lambda's version is looked for on this machine (3.13, unless a pool asks
for another). Without one the assets are as valid and start slower: that is said aloud, and the template's metadata
tells it.
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


def version_of(compiler: Compiler | None) -> str:
    return compiler.version if compiler else "none"


def _candidates(runtime: tuple[int, int]) -> Iterator[str]:
    dotted = f"{runtime[0]}.{runtime[1]}"
    name = f"python{dotted}"
    yield sys.executable
    installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    # Before the PATH: pyenv's shim may stand there for a version that is not switched on, and fails slowly.
    yield from sorted(str(path) for path in installed.glob(f"{dotted}*/bin/{name}"))
    if on_path := shutil.which(name):
        yield on_path
    command = [find_uv_bin(), "python", "find", "--offline", "--system", dotted]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if found.returncode == 0 and found.stdout.strip():
        yield found.stdout.strip()


def _probe(executable: str, runtime: tuple[int, int]) -> Compiler | None:
    try:
        command = [executable, "-S", "-c", _PROBE]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - a Python
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ran.returncode != 0:
        return None
    major, minor, micro, level, implementation, path = ran.stdout.strip().split(" ", 5)
    if (int(major), int(minor)) != runtime or level != "final" or implementation != "cpython":
        return None
    return Compiler(executable=path, version=f"{major}.{minor}.{micro}")


def find_compiler(runtime: tuple[int, int] = RUNTIME) -> Compiler | None:
    """The first Python of that version that runs: this one, pyenv's, the PATH's, uv's. None when there is none."""
    for executable in _candidates(runtime):
        if executable != sys.executable or sys.version_info[:2] == runtime:
            compiler = _probe(executable, runtime)
            if compiler:
                return compiler
    return None


def compile_tree(compiler: Compiler, tree: Path, *, deployed_at: str) -> None:
    """Compile every module below `tree`, as if it stood at `deployed_at` (`/var/task`), the same bytes every time.

    The hash seed decides the order of set constants, so it is fixed. Unchecked: Lambda's file times differ from ours,
    and nobody edits a deployed file. A module that does not compile stays without: packages carry templates and data
    that are no Python of today. Raises CalledProcessError when the compiler does not run.
    """
    command = [compiler.executable, "-S", "-m", "compileall", "-qq", "-f", "-j", "1"]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", deployed_at, str(tree)]
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONHASHSEED": "0"}
    ran = subprocess.run(command, check=False, env=environment, stdout=sys.stderr)  # noqa: S603 - our own arguments
    if ran.returncode not in (0, 1):
        raise subprocess.CalledProcessError(ran.returncode, command)
