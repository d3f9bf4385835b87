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
    """The task types of every module of `package`. Raises the error of a module that cannot be imported: a deployment
    without one of its handlers would be worse than none."""
    return Registry.of(
        RegisteredType.of(declaration, module=name, attribute=attribute)
        for name in module_names(package)
        for attribute, declaration in declared_types(importlib.import_module(name))
    )


def module_names(package: ModuleType) -> Iterator[str]:
    """Full names of the modules directly in the package."""
    return (f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(package.__path__))


def declared_types(module: ModuleType) -> Iterator[tuple[str, TaskType]]:
    """Attribute and task type of each handler of the module. A handler with several names: the first one."""
    seen: set[int] = set()
    for attribute, value in vars(module).items():
        declaration = getattr(value, "__task_type__", None)
        if isinstance(declaration, TaskType) and id(declaration) not in seen:
            seen.add(id(declaration))
            yield attribute, declaration


def main() -> None:
    import functions.tasks

    # Task files may print when they are imported: that is not part of the document.
    with contextlib.redirect_stdout(sys.stderr):
        document = discover(functions.tasks).to_json()
    sys.stdout.write(document)


if __name__ == "__main__":
    main()
