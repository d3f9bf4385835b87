"""`taskyard init`: the names and the files of a new project. That it works is a test of the wheel."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from taskyard.cli import main
from taskyard.project import create
from taskyard.project.create import FolderNotEmpty, create_project
from taskyard.project.names import project_names

from infra.build.locations import ROOT
from tests.documents import example_of

FILES = {
    ".github/workflows/ci.yml",
    ".gitignore",
    "Makefile",
    "README.md",
    "app.py",
    "cdk.json",
    "order_mails/__init__.py",
    "order_mails/tasks/__init__.py",
    "order_mails/tasks/greet.py",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
    "tests/test_greet.py",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder, _ = create_project("order-mails", tmp_path, version="1.2.3")
    return folder


def test_project_files_are_all_that_is_written(project: Path) -> None:
    assert project.name == "order-mails"
    assert {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()} == FILES


def test_project_files_have_no_placeholder_left(project: Path) -> None:
    texts = {path: path.read_text() for path in project.rglob("*") if path.is_file()}
    assert [str(path) for path, text in texts.items() if re.search(r"@[A-Z]+@", text)] == []


def test_project_code_compiles_and_names_its_own_package(project: Path) -> None:
    for path in project.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")
    app = (project / "app.py").read_text()
    assert 'tasks="order_mails.tasks"' in app
    assert 'f"OrderMails-{environment}"' in app
    assert "from order_mails.tasks.greet import greet" in (project / "tests" / "test_greet.py").read_text()


def test_project_app_is_twenty_lines_long_at_most(project: Path) -> None:
    code = [line for line in (project / "app.py").read_text().splitlines() if line.strip()]
    assert len(code) <= 20


def test_project_configuration_is_valid(project: Path) -> None:
    assert json.loads((project / "cdk.json").read_text())["app"] == "python app.py"
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"] == "order-mails"
    workflow = yaml.safe_load((project / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}


def test_project_uses_the_same_actions_and_the_same_cdk_command_as_this_repository(project: Path) -> None:
    action, command = re.compile(r"uses: (\S+@[0-9a-f]{40})"), re.compile(r"aws-cdk@[\d.]+")
    ours = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    actions = action.findall((project / ".github" / "workflows" / "ci.yml").read_text())
    assert actions
    assert set(actions) <= set(action.findall(ours))
    assert command.findall((project / "Makefile").read_text()) == command.findall((ROOT / "Makefile").read_text())


@pytest.mark.parametrize("file", ["app.py", "orders/tasks/greet.py"])
def test_readme_shows_what_is_written(tmp_path: Path, file: str) -> None:
    folder, _ = create_project("orders", tmp_path, version="1.2.3")
    assert example_of(file).text == f"# {file}\n{(folder / file).read_text()}"


@pytest.mark.parametrize(
    ("name", "package", "stack"),
    [
        ("orders", "orders", "Orders"),
        ("order-mails", "order_mails", "OrderMails"),
        ("order_mails2", "order_mails2", "OrderMails2"),
        ("x", "x", "X"),
    ],
)
def test_project_names_follow_from_one(name: str, package: str, stack: str) -> None:
    names = project_names(name, is_installed=lambda _: False)
    assert (names.package, names.stack) == (package, stack)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Orders",
        "2orders",
        "-orders",
        "orders-",
        "order--mails",
        "order mails",
        "../orders",
        "/tmp/orders",
        "ördérs",
        "orders\n",
        "a" * 41,
        "class",
        "json",
        "taskyard",
        "functions",
        "tests",
        "app",
    ],
)
def test_project_name_that_is_no_package_or_hides_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no name for a project"):
        create_project(name, tmp_path, version="1.2.3")
    assert list(tmp_path.iterdir()) == []


def test_project_name_of_an_installed_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is a Python module httpx"):
        create_project("httpx", tmp_path, version="1.2.3")


def test_project_folder_that_is_not_empty_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "notes.txt").write_text("mine")
    with pytest.raises(FolderNotEmpty, match="not empty"):
        create_project("orders", tmp_path, version="1.2.3")
    assert [path.name for path in (tmp_path / "orders").iterdir()] == ["notes.txt"]


def test_project_folder_that_is_empty_is_filled(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    create_project("orders", tmp_path, version="1.2.3")
    assert (tmp_path / "orders" / "app.py").exists()


@pytest.mark.parametrize(
    ("origin", "requirement"),
    [
        (None, r"taskyard\[dev\]==1\.2\.3"),
        (
            '{"url": "file:///tmp/taskyard-1-py3-none-any.whl", "archive_info": {}}',
            r"taskyard\[dev\] @ file:///.*\.whl",
        ),
    ],
)
def test_project_requires_taskyard_from_where_it_was_installed(
    origin: str | None, requirement: str, monkeypatch: pytest.MonkeyPatch
) -> None:

    class Installed:
        def read_text(self, name: str) -> str | None:
            return origin

    monkeypatch.setattr(create.Distribution, "from_name", lambda name: Installed())
    assert re.fullmatch(requirement, create.installation_requirement("1.2.3"))


def test_command_init_writes_a_project_and_says_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "orders"]) == 0
    assert "cd orders\n" in capsys.readouterr().out
    assert main(["init", "orders"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["init", "Orders"]) == 2
    assert "is no name for a project" in capsys.readouterr().err


def test_command_init_json_lists_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "order-mails", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["folder"], set(document["files"])) == (str(tmp_path / "order-mails"), FILES)
