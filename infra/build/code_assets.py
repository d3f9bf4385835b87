"""The code of functions as an asset: `functions/`, of the client `taskyard.tasks` (the handler API), the packages of
pools, and task-types.json, which names the task types of all pools as data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .assets import RULES, Asset, build_directory, digest_of, read_below, write_files
from .bytecode import Compiler, version_of
from .layer_python import run_module
from .locations import ROOT

TASK_TYPES = "task-types.json"
# Of the client, what functions and handlers import: the standard library is all that it needs.
HANDLER_API = ("client/taskyard/__init__.py", "client/taskyard/py.typed", "client/taskyard/tasks/")


def function_sources() -> dict[str, bytes]:
    """What every code asset holds, by path there: `functions/`, and of the client the package that handlers import."""
    client = {name: content for name, content in read_below(ROOT / "client").items() if name.startswith(HANDLER_API)}
    return read_below(ROOT / "functions") | {name.removeprefix("client/"): client[name] for name in client}


def code_digest(sources: Mapping[str, bytes], task_types: bytes, compiler: Compiler | None) -> str:
    return digest_of({**sources, TASK_TYPES: task_types}, salt=("code", RULES, version_of(compiler)))


def build_code(sources: Mapping[str, bytes], task_types: bytes, compiler: Compiler | None) -> Asset:
    """`sources`: by path in the asset. `task_types`: the text of task-types.json. Called under the lock of `.build`."""
    return build_directory(
        "code",
        code_digest(sources, task_types, compiler),
        compiler,
        fill=lambda stage: write_files({**sources, TASK_TYPES: task_types}, stage),
        deployed_at="/var/task",
    )


class TaskTypesError(RuntimeError):
    """The task files of the code cannot be imported."""


def write_task_types(code: Path, layer: Path) -> None:
    """Writes task-types.json of the built-in types alone into a copy of the code. `layer`: its packages, for this
    machine. Raises TaskTypesError."""
    ran = run_module("functions.build.task_types", paths=(code, layer))
    if ran.returncode:
        raise TaskTypesError(f"the task types cannot be listed ({ran.returncode}): {ran.stderr.strip()}")
    (code / TASK_TYPES).write_text(ran.stdout, encoding="utf-8")
