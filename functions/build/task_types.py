"""`python -m functions.build.task_types`: prints task-types.json, the task types of functions/tasks/ as data.

Run when the code asset is built, in a process of its own (infra/build/assets.py). The deployed functions never import
this.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from types import ModuleType

from taskyard.tasks.task_type import TaskType

from functions.core.task_types import RegisteredType, Registry


def discover(package: ModuleType) -> Registry:
    """The task types of every module of `package`. A module that cannot be imported raises: better no deployment than
    one without a handler."""
    return Registry.of(
        RegisteredType.of(declaration, module=name, attribute=attribute)
        for name in modules(package)
        for attribute, declaration in declarations(importlib.import_module(name))
    )


def modules(package: ModuleType) -> Iterator[str]:
    """Of the files that stand directly in it."""
    return (f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(package.__path__))


def declarations(module: ModuleType) -> Iterator[tuple[str, TaskType]]:
    """Each with the first name that its handler has in the module."""
    seen: set[int] = set()
    for attribute, value in vars(module).items():
        declaration = getattr(value, "__task_type__", None)
        if isinstance(declaration, TaskType) and id(declaration) not in seen:
            seen.add(id(declaration))
            yield attribute, declaration


def main() -> None:
    import functions.tasks

    # What a task file prints when it is imported does not belong in the document.
    with contextlib.redirect_stdout(sys.stderr):
        document = discover(functions.tasks).to_json()
    sys.stdout.write(document)


if __name__ == "__main__":
    main()
