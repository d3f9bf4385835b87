"""A task type is one file: dropped in, it is found, validated against, run."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import functions.tasks
from functions.build.task_types import discover
from functions.core.states import State
from functions.core.task import Document
from functions.runtime import wiring
from tests.integration.scene import Scene
from tests.integration.task_types import added_task_files

FILE = '''
"""RESIZE_IMAGE: a task type that is not there."""

from pydantic import BaseModel, Field

from taskyard.tasks import Context, RetryPolicy, task


class Image(BaseModel):
    width: int = Field(gt=0, le=4096)


@task("RESIZE_IMAGE", "resize", retry=RetryPolicy(max_attempts=7), timeout_seconds=9)
async def resize_image(ctx: Context, payload: Image) -> dict[str, int]:
    ctx.log("resized")
    return {"width": payload.width}
'''


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "resize_image.py").write_text(textwrap.dedent(FILE))
    with added_task_files(tmp_path, monkeypatch):
        yield


def test_it_is_found_with_its_policy(dropped: None) -> None:
    kind = wiring.registry().find("resize")
    assert (kind.name, kind.retry.max_attempts, kind.timeout_seconds) == ("RESIZE_IMAGE", 7, 9)
    assert "SEND_EMAIL" in wiring.registry().names()


def test_its_payloads_are_checked(dropped: None) -> None:
    from functions.core.errors import InvalidRequest

    with pytest.raises(InvalidRequest) as refused:
        wiring.registry().find("RESIZE_IMAGE").parse({"width": 0})
    assert [error.field for error in refused.value.errors] == ["payload.width"]


def test_it_is_accepted_and_run(dropped: None, aws: Any, clock: Any, api: Any) -> None:
    refused = api("POST", "/tasks", {"type": "RESIZE_IMAGE", "payload": {"width": "wide"}})
    assert (refused.status, list(refused.fields)) == (422, ["payload.width"])
    task = api.submit(type="resize", payload={"width": 640})
    assert (task["type"], task["maxAttempts"]) == ("RESIZE_IMAGE", 7)
    scene = Scene(aws, clock)
    [sent] = aws.wakeups()
    assert scene.deliver(scene.message(sent["task"], timeout=9)) == []
    done = scene.task(task["id"])
    assert (done.state, done.log) == (State.SUCCESS, ("resized",))
    assert done.result == Document('{"width":640}')


def test_a_file_that_cannot_be_imported_is_an_error(
    tmp_path: Path, dropped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    with pytest.raises(ModuleNotFoundError):
        discover(functions.tasks)


def test_two_handlers_of_one_name_are_an_error(tmp_path: Path, dropped: None) -> None:
    (tmp_path / "second.py").write_text(textwrap.dedent(FILE))
    with pytest.raises(ValueError, match="two handlers"):
        discover(functions.tasks)
    sys.modules.pop("functions.tasks.second", None)
