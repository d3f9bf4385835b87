"""task-types.json, which the build writes into the code asset: here of the checkout, with what a test adds to it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import functions.tasks
from functions.build.task_types import discover
from functions.runtime import wiring

_registry = wiring.registry
"""A test may put another in its place."""


@contextlib.contextmanager
def added_task_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a deployment whose functions/tasks/ holds the files of `folder` too. They are written before."""
    with monkeypatch.context() as patch:
        patch.setattr(functions.tasks, "__path__", [*functions.tasks.__path__, str(folder)])
        file = folder / "task-types.json"
        file.write_text(discover(functions.tasks).to_json())
        # As in a deployment: a handler is imported when it is needed.
        forget_modules(folder)
        patch.setattr(wiring, "TASK_TYPES_FILE", str(file))
        _registry.cache_clear()
        yield
    _registry.cache_clear()
    forget_modules(folder)


def forget_modules(folder: Path) -> None:
    for file in folder.glob("*.py"):
        sys.modules.pop(f"functions.tasks.{file.stem}", None)
