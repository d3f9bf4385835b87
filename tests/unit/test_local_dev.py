"""What `taskyard dev` decides: which files changed where, which stack is meant, what a changed template takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from local.aws.provisioning import MADE_KINDS
from local.dev import source_files, staging
from local.dev.app import UserApp
from local.dev.task_lines import task_line
from local.template.changes import needs_restart
from local.template.cloud_assembly import CloudAssemblyError


def _files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_source_files_leave_out_hidden_folders_and_what_commands_make(tmp_path: Path) -> None:
    _files(tmp_path, "app.py", "orders/a.py", ".venv/b.py", "cdk.out/c.py", "orders/__pycache__/d.py", "image.png")
    assert {path.relative_to(tmp_path).as_posix() for path in source_files.scan(tmp_path)} == {"app.py", "orders/a.py"}


def test_source_files_that_are_new_gone_or_edited_are_changed(tmp_path: Path) -> None:
    _files(tmp_path, "same.py", "edited.py", "gone.py")
    before = source_files.scan(tmp_path)
    (tmp_path / "edited.py").write_text("longer than before")
    (tmp_path / "gone.py").unlink()
    _files(tmp_path, "new.py")
    changes = source_files.find_changes(before, source_files.scan(tmp_path))
    assert {path.name for path in changes} == {"edited.py", "gone.py", "new.py"}


@pytest.mark.parametrize(
    ("root", "change", "place"),
    [
        (".build/code", "orders/a.py", "orders/a.py"),
        (".build/code", "orders/new.py", "orders/new.py"),
        (".build/code", "src/orders/a.py", "orders/a.py"),
        (".build/code", "other/a.py", None),
        (".build/code", "app.py", None),
        ("lambda", "lambda/index.py", "index.py"),
        ("lambda", "orders/a.py", None),
    ],
)
def test_changed_file_has_its_place_in_a_code_asset(tmp_path: Path, root: str, change: str, place: str | None) -> None:
    _files(tmp_path, ".build/code/orders/a.py", "lambda/index.py")
    found = source_files.files_of_asset(tmp_path, tmp_path / root, [tmp_path / change])
    assert found == ({place: tmp_path / change} if place else {})


def test_staged_code_has_the_edited_file_and_leaves_the_original_as_it_is(tmp_path: Path) -> None:
    _files(tmp_path, "code/orders/a.py", "code/orders/b.py", "app/orders/a.py")
    files = {"orders/a.py": tmp_path / "app/orders/a.py", "orders/b.py": tmp_path / "app/orders/b.py"}
    staged = staging.stage(tmp_path / "code", files, tmp_path / "staged")
    assert (staged / "orders/a.py").read_text() == "app/orders/a.py"
    assert not (staged / "orders/b.py").exists()
    assert (tmp_path / "code/orders/a.py").read_text() == "code/orders/a.py"
    assert (tmp_path / "code/orders/b.py").exists()


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import json\n", None),
        ("x = 1\ny = (\n", ":2: SyntaxError: '(' was never closed"),
        ("\n\nimport yaml\n", ":3: ModuleNotFoundError: No module named 'yaml'"),
        ("import os\nos.environ['STAGE']\n", None),
        ("import os\n\nos.environ['MISSING']\n", ":3: KeyError: 'MISSING'"),
        ("raise SystemExit\n", ":1: SystemExit: "),
    ],
)
def test_import_error_names_file_and_line_of_the_app(tmp_path: Path, source: str, error: str | None) -> None:
    file = tmp_path / "a.py"
    file.write_text(source)
    staged = staging.stage(tmp_path, {}, tmp_path.with_name(f"{tmp_path.name}-staged"))
    found = staging.import_error(staged, {"a.py": file}, [], {"STAGE": "test"})
    assert found == (f"{file}{error}" if error else None)


def _app(folder: Path, *stacks: tuple[str, str], stack: str | None = None) -> UserApp:
    """An app whose stacks have one function with that handler each."""
    program = "import json, os\n"
    for name, handler in stacks:
        template = {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Handler": handler}}}}
        program += f"open(os.environ['CDK_OUTDIR'] + '/{name}.template.json', 'w').write({json.dumps(template)!r})\n"
    (folder / "app.py").write_text(program)
    (folder / "cdk.json").write_text(json.dumps({"app": f"{sys.executable} app.py"}))
    return UserApp(folder, stack, {})


WORKER = "functions.worker.handler.handler"


@pytest.mark.parametrize(
    ("stacks", "stack", "outcome"),
    [
        ([("A", WORKER), ("B", "index.handler")], None, "A"),
        ([("A", WORKER), ("B", WORKER)], "B", "B"),
        ([("A", WORKER), ("B", WORKER)], None, "several stacks with a Taskyard: A, B; choose one with --stack"),
        ([("A", WORKER)], "C", "no stack C with a Taskyard; there are: A"),
        ([("A", "index.handler")], None, "no stack of the app has a Taskyard"),
    ],
)
def test_stack_of_an_app(tmp_path: Path, stacks: Any, stack: str | None, outcome: str) -> None:
    try:
        found = _app(tmp_path, *stacks, stack=stack).synthesize(tmp_path / "out").stack_name
    except CloudAssemblyError as error:
        found = str(error)
    assert found == outcome


def test_app_whose_command_fails_says_why_in_its_first_line(tmp_path: Path) -> None:
    app = _app(tmp_path)
    (tmp_path / "app.py").write_text("raise ValueError('half an idea')")
    with pytest.raises(CloudAssemblyError, match=r"\AValueError: half an idea\n"):
        app.synthesize(tmp_path / "out")


def _function(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


QUEUE = {"Type": "AWS::SQS::Queue"}
MAPPING = {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"BatchSize": 1}}


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        ({"F": _function(Timeout=1)}, {"F": _function(Timeout=2)}, []),
        ({}, {"F": _function(), "Q": QUEUE, "M": MAPPING}, []),
        ({"M": MAPPING}, {"M": {**MAPPING, "Properties": {"BatchSize": 2}}}, ["M is changed"]),
        ({"Q": QUEUE}, {"Q": {**QUEUE, "Properties": {"DelaySeconds": 1}}}, ["Q is changed"]),
        ({"Q": QUEUE}, {}, ["Q is gone"]),
        ({"F": _function()}, {}, ["F is gone"]),
        ({"P": {"Type": "AWS::IAM::Policy"}}, {}, []),
        ({}, {"R": {"Type": "AWS::ApiGatewayV2::Route"}}, ["R is new"]),
        ({"C": {"Type": "AWS::ECS::Cluster"}}, {"C": {"Type": "AWS::ECS::Cluster", "Properties": {"a": 1}}}, []),
        ({}, {"A": {"Type": "AWS::CloudWatch::Alarm"}}, []),
    ],
)
def test_what_takes_a_restart(old: dict[str, Any], new: dict[str, Any], reasons: list[str]) -> None:
    assert needs_restart(old, new, MADE_KINDS) == reasons


def _record(old: dict[str, Any] | None, **new: Any) -> dict[str, Any]:
    image = {"pk": {"S": "TASK#tenant#t1"}, "sk": {"S": "TASK"}, "type": {"S": "RESIZE"}, **new}
    change = {"NewImage": image} | ({"OldImage": old} if old else {})
    return {"dynamodb": change}


ENDED = {"state": {"S": "SUCCESS"}, "startedAt": {"N": "1000"}, "endedAt": {"N": "2300"}, "attempt": {"N": "2"}}


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (_record({}, **ENDED), "RESIZE t1 SUCCESS after 1.3 s, attempt 2"),
        (_record(ENDED, **ENDED), None),
        (_record({}, state={"S": "RUNNING"}, startedAt={"N": "1"}), None),
        (
            _record({}, state={"S": "CANCELLED"}, endedAt={"N": "5"}, reason={"S": "not needed"}),
            "RESIZE t1 CANCELLED: not needed",
        ),
        (_record({}, **ENDED, sk={"S": "EFFECT#mail"}), None),
        ({"dynamodb": {"OldImage": ENDED}}, None),
    ],
)
def test_line_of_a_task_that_ended(record: dict[str, Any], line: str | None) -> None:
    assert task_line(record) == line
