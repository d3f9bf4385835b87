"""`import taskyard` and `import taskyard.tasks` load nothing; their names come when they are used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "client"
PACKAGES = ["taskyard", "taskyard.tasks"]


@pytest.mark.parametrize("package", PACKAGES)
def test_lazy_package_every_public_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if getattr(module, name) is None] == []
    assert set(module.__all__) == set(module._MODULES)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("package", PACKAGES)
def test_lazy_package_type_checkers_see_the_same_names_in_the_same_modules(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    imported = {
        alias.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {name: f"{package}.{home}" for name, home in module._MODULES.items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_lazy_package_import_loads_no_other_module(package: str) -> None:
    program = f"import sys; sys.path.insert(0, {str(CLIENT)!r}); import typing; import {package}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    loaded = {name for name in ran.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert loaded - {"__main__"} == {"taskyard", package}


def test_handler_api_every_module_needs_the_standard_library_only() -> None:
    modules = [f"taskyard.tasks.{path.stem}" for path in (CLIENT / "taskyard" / "tasks").glob("[!_]*.py")]
    program = f"import importlib, sys; sys.path.insert(0, {str(CLIENT)!r}); "
    program += f"[importlib.import_module(name) for name in {modules!r}]; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    foreign = {name for name in ran.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("taskyard")} == {"__main__"}
    assert {name for name in foreign if name.startswith("taskyard")} == {"taskyard", "taskyard.tasks", *modules}
