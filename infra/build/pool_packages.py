"""The packages of users in a code asset: which folder, which files, and names that would hide something else."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from ..config import DeploymentError
from .assets import read_below

OURS = frozenset({"functions", "taskyard"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class PoolPackageError(DeploymentError):
    """The package of a pool's task types cannot be deployed."""


def top_level(tasks: str) -> str:
    return tasks.partition(".")[0]


def package_sources(tasks: str, root: Path, *, place: str) -> dict[str, bytes]:
    """Every file of the top-level package of `tasks`, by path in the asset; also its tests and data, since what is
    imported must behave there as here. Caches and hidden files are left out.

    `place`: how messages begin. Raises PoolPackageError.
    """
    for fault in package_faults(tasks, root):
        raise PoolPackageError(f"{place}: {fault}")
    module = root / f"{top_level(tasks)}.py"
    if module.is_file():
        return {module.name: module.read_bytes()}
    return read_below(root / top_level(tasks))


def package_faults(tasks: str, root: Path) -> Iterator[str]:
    name = top_level(tasks)
    if not _DOTTED.fullmatch(tasks):
        yield f"{tasks!r} is no name of a package: write it as in an import, orders.tasks"
        return
    if name in OURS:
        yield f"the package {name} has the name of one of Taskyard's own: rename it"
    elif name in sys.stdlib_module_names:
        yield f"the package {name} would hide the standard library's module of that name: rename it"
    path = root.joinpath(*tasks.split("."))
    if path.is_dir():
        if not any(path.glob("*.py")):
            yield f"there is no task file in {path}: write one, or correct the name {tasks}"
    elif not path.with_suffix(".py").is_file():
        yield (
            f"there is no package {tasks}: neither the folder {path} nor the file {path}.py is there: create it, or "
            "correct the name or the root"
        )


def hidden_packages(tasks: str, layer: Path) -> Iterator[str]:
    """Packages of the layer that the package of a pool would hide, since code is searched first."""
    name = top_level(tasks)
    if (layer / name).exists() or (layer / f"{name}.py").exists():
        yield f"the package {name} would hide the package of that name that is installed: rename it"


def modules_beside(tasks: str, root: Path) -> Collection[str]:
    """Top-level modules in the same folder, which are not deployed with the package."""
    entries = [path for path in root.iterdir() if path.suffix == ".py" or any(path.glob("*.py"))]
    return sorted({path.stem for path in entries if path.stem.isidentifier()} - {top_level(tasks)})
