"""`python -m functions.build.task_types`: prints task-types.json of the default pool with the built-in types.

Tests run it on copies of the code to which they add task files. The build of a deployment lists all its pools
(functions/build/pool.py). The deployed functions never import this.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from taskyard.tasks.task_type import TaskType

from functions.core.pools import DEFAULT, Pool
from functions.core.task_types import RegisteredType, Registry


def discover(*packages: ModuleType, pool: Pool = DEFAULT) -> Registry:
    """The task types of every module of the packages, which are those of `pool`. Raises the error of a module that
    cannot be imported: a deployment without one of its handlers would be worse than none; and as `register` does."""
    modules = [importlib.import_module(name) for package in packages for name in module_names(package)]
    return Registry.of((each.register(pool) for each in discover_types(modules)), (pool,))


@dataclass(frozen=True)
class DiscoveredType:
    """`module`, `attribute`: where its handler is."""

    declaration: TaskType
    module: str
    attribute: str

    def register(self, pool: Pool) -> RegisteredType:
        """Raises ValueError for a payload that is to be checked by its JSON Schema and cannot."""
        made = RegisteredType.of(self.declaration, module=self.module, attribute=self.attribute, pool=pool)
        if not made.is_importable and made.payload_schema is not None:
            made.schema_check.compile()
        return made


def module_names(package: ModuleType, excluded: Collection[str] = ()) -> Iterator[str]:
    """Full names of the modules directly in the package; of a module, its own. `excluded`: packages of other pools."""
    if not hasattr(package, "__path__"):
        return iter((package.__name__,))
    names = (f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(package.__path__))
    return (name for name in names if name not in excluded)


def discover_types(modules: Sequence[ModuleType]) -> list[DiscoveredType]:
    """Each task type of the modules once. A handler with several names: the first one, and rather where it is defined
    than where it is imported."""
    types: dict[int, DiscoveredType] = {}
    for module in modules:
        for attribute, value in vars(module).items():
            declaration = getattr(value, "__task_type__", None)
            if not isinstance(declaration, TaskType):
                continue
            earlier = types.get(id(declaration))
            if earlier is None or earlier.module != value.__module__ == module.__name__:
                types[id(declaration)] = DiscoveredType(declaration, module.__name__, attribute)
    return list(types.values())


def main() -> None:
    import functions.tasks

    # Task files may print when they are imported: that is not part of the document.
    with contextlib.redirect_stdout(sys.stderr):
        document = discover(functions.tasks).to_json()
    sys.stdout.write(document)


if __name__ == "__main__":
    main()
