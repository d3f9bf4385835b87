"""The task type that the README adds: its file is valid and runs, and the test in docs/task-types.md passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import functions.tasks
from functions.build.task_files import find_faults
from functions.core.payloads.masking import MASK_TEXT
from tests.documents import example_of
from tests.integration.api import Api
from tests.integration.cloud import Cloud
from tests.integration.task_types import added_task_files


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "resize_image.py").write_text(example_of("functions/tasks/resize_image.py").text)
    with added_task_files(tmp_path, monkeypatch):
        yield


def test_readme_task_file_is_right(dropped: None) -> None:
    assert find_faults(functions.tasks, worker_seconds=60) == []


@pytest.mark.parametrize(("width", "state"), [(640, "SUCCESS"), (20_000, "FAILED")])
def test_readme_task_type_runs(dropped: None, api: Api, aws: Cloud, width: int, state: str) -> None:
    payload = {"url": "https://example.com/a.png", "width": width, "token": "secret-token"}
    task = api.submit(type="RESIZE_IMAGE", payload=payload)
    aws.work_off()
    done = api.get(task["id"])
    assert (done["state"], done["payload"]["token"]) == (state, MASK_TEXT)
    assert done["result"] == ({"stored": "https://example.com/a.png?width=640"} if state == "SUCCESS" else None)


def test_readme_tests_of_the_task_type_pass(dropped: None) -> None:
    namespace: dict[str, Any] = {}
    exec(example_of("tests/unit/test_task_resize_image.py").text, namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    for test in tests:
        test()
    assert len(tests) == 3
