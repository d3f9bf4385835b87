"""What is in the wheel, and what its metadata says."""

from __future__ import annotations

import ast
import re
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import taskyard

from infra.build.code_assets import function_sources
from infra.build.locations import ROOT


@pytest.fixture(scope="session")
def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("client/taskyard", "taskyard"),
        ("client/taskyard/tasks", "taskyard/_runtime/client/taskyard/tasks"),
        ("infra", "taskyard/cdk"),
        ("functions", "taskyard/_runtime/functions"),
        ("local/functions", "taskyard/_runtime/local/functions"),
    ],
)
def test_wheel_has_every_module_of_a_folder(names: set[str], folder: str, place: str) -> None:
    modules = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*.py")}
    assert modules
    assert {f"{place}/{module}" for module in modules} <= names


def test_wheel_has_what_the_code_asset_is_built_from(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        runtime = {
            name.removeprefix("taskyard/_runtime/").removeprefix("client/"): archive.read(name)
            for name in archive.namelist()
            if name.startswith(("taskyard/_runtime/functions/", "taskyard/_runtime/client/"))
        }
    assert runtime == function_sources()


def test_wheel_has_no_caches_no_tests_and_nothing_beside_its_package(names: set[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {
        "taskyard",
        f"taskyard-{taskyard.__version__}.dist-info",
    }
    assert [name for name in names if re.search(r"__pycache__|\.pyc$|/\.", name)] == []


def test_wheel_is_typed_and_has_its_licence(names: set[str]) -> None:
    assert "taskyard/py.typed" in names
    assert f"taskyard-{taskyard.__version__}.dist-info/licenses/LICENSE" in names


def test_metadata_has_one_version_and_the_newest_of_the_changelog(metadata: Message) -> None:
    newest = re.search(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert metadata["Version"] == taskyard.__version__ == newest[1]


def test_metadata_base_install_needs_the_http_library_only(metadata: Message) -> None:
    requirements = metadata.get_all("Requires-Dist", [])
    assert {re.split(r"[<>=!\[; ]", each)[0] for each in requirements if "extra ==" not in each} == {
        "httpx",
        "httpcore",
    }
    assert metadata.get_all("Provides-Extra") == ["cdk", "cli", "dev", "iam"]


def test_metadata_extras_are_at_versions_of_the_lock(metadata: Message) -> None:
    """So that the lock, which the tests run on, is one of what users get."""
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE))
    required = {re.split(r"[<>=!\[; ]", each)[0] for each in metadata.get_all("Requires-Dist", [])}
    assert required - {"taskyard"} <= locked


def imported(folder: str) -> set[str]:
    """The modules that a folder of the wheel imports by their full names."""
    nodes = [node for path in (ROOT / folder).rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}


def test_construct_imports_its_own_modules_relatively() -> None:
    """In the wheel its name is another one."""
    assert {name for name in imported("infra") if name.partition(".")[0] in ("infra", "taskyard")} == set()


def test_local_system_imports_modules_of_the_construct_and_no_names_of_the_package() -> None:
    """In the wheel, `infra` is a package that has the modules of taskyard.cdk and nothing else."""
    assert any(name.startswith("infra.") for name in imported("local"))
    assert "infra" not in imported("local")
