"""`python -m functions.build.task_types [POOL]`: prints task-types.json, the task types of a pool as data.

POOL is JSON: `{"name": "images", "packages": ["orders.images"], "lanes": ["images"], "timeoutSeconds": 600,
"sharesBase": false}`. Without it: the default pool with the types of functions/tasks/. `merge` makes one document from
those of several pools.

Run when the code asset is built, in a process of its own (infra/build/assets.py). The deployed functions never import
this.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType

from taskyard.tasks.task_type import TaskType

from functions.core.pools import DEFAULT, Pool
from functions.core.task_types import RegisteredType, Registry

BUILT_IN_PACKAGE = "functions.tasks"


def discover(*packages: ModuleType, pool: Pool = DEFAULT) -> Registry:
    """The task types of every module of the packages, which are those of `pool`. Raises the error of a module that
    cannot be imported: a deployment without one of its handlers would be worse than none."""
    types = [
        RegisteredType.of(declaration, module=name, attribute=attribute, pool=pool)
        for package in packages
        for name in module_names(package)
        for attribute, declaration in declared_types(importlib.import_module(name))
    ]
    return Registry.of(types, (pool,))


def merge(documents: Iterable[str]) -> str:
    """`documents`: task-types.json of each pool. Raises ValueError when two pools have a type of one name."""
    registries = [Registry.from_json(document) for document in documents]
    pools = {name: pool for registry in registries for name, pool in registry.pools.items() if pool is not DEFAULT}
    types = {id(each): each for registry in registries for each in registry.types.values()}
    return Registry.of(types.values(), pools.values()).to_json()


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


def main(argv: Sequence[str]) -> None:
    pool, packages = DEFAULT, [BUILT_IN_PACKAGE]
    if argv:
        entry = json.loads(argv[0])
        pool, packages = Pool.from_json(entry["name"], entry), entry["packages"]
    # Task files may print when they are imported: that is not part of the document.
    with contextlib.redirect_stdout(sys.stderr):
        document = discover(*map(importlib.import_module, packages), pool=pool).to_json()
    sys.stdout.write(document)


if __name__ == "__main__":
    main(sys.argv[1:])
