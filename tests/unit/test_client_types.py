"""The methods of both clients have the parameters, results and documentation of their declaration."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from mypy import api
from taskyard import AsyncTaskyard, Taskyard

from tests.unit.client_fake import URL

ROOT = Path(__file__).parents[2]

PROGRAM = """
from collections.abc import AsyncIterator, Iterator
from typing import assert_type
from taskyard import AsyncTaskyard, Cancelled, Outcome, Page, Redrive, Schedule, Stats, Task, Taskyard, Workflow

def blocking(yard: Taskyard) -> None:
    assert_type(yard.submit("X", {"a": 1}, delay=3, tags={"a": "b"}), Task)
    assert_type(yard.submit_batch([{"type": "X"}]), list[Outcome])
    assert_type(yard.page(limit=3), Page)
    assert_type(yard.list(state="READY"), Iterator[Task])
    assert_type(yard.dead_letters(error_type="E", limit=3), Iterator[Task])
    assert_type(yard.redrive(rate=2), Redrive)
    assert_type(yard.redrive_pages(dry_run=True), Iterator[Redrive])
    assert_type(yard.cancel_many(["a"], reason="r"), Cancelled)
    assert_type(yard.wait("a", timeout=3), Task)
    assert_type(yard.stats(), Stats)
    assert_type(yard.workflows.wait("a", 3), Workflow)
    assert_type(yard.schedules.list(3), Iterator[Schedule])

async def awaited(yard: AsyncTaskyard) -> None:
    assert_type(await yard.submit("X", delay=3), Task)
    assert_type(await yard.submit_batch([{"type": "X"}]), list[Outcome])
    assert_type(yard.list(state="READY"), AsyncIterator[Task])
    assert_type(yard.dead_letters(limit=3), AsyncIterator[Task])
    assert_type(await yard.redrive(rate=2), Redrive)
    assert_type(await yard.wait("a", timeout=3), Task)
    assert_type(await yard.workflows.graph("a"), str)
    assert_type(await yard.schedules.pause("a"), Schedule)

def wrong(yard: Taskyard) -> None:
    yard.submit("X", dealy=3)
    yard.submit(3)
    yard.wait()
    yard.list(kind="X")
    yard.schedules.create({}, rat="1 hour")
"""
WRONG_CALLS = ('"dealy"', '"int"; expected "str"', "Too few arguments", '"kind"', '"rat"')


def test_methods_of_both_clients_have_the_types_of_their_declaration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    monkeypatch.chdir(ROOT)
    output, errors, _ = api.run(["--no-error-summary", "--hide-error-context", str(program)])
    assert errors == ""
    reported = [line for line in output.splitlines() if ": error:" in line]
    assert len(reported) == len(WRONG_CALLS), output
    for line, words in zip(reported, WRONG_CALLS, strict=True):
        assert words in line


@pytest.mark.parametrize("kind", [Taskyard, AsyncTaskyard])
@pytest.mark.parametrize("name", ["submit", "get", "page", "list", "update", "wait", "cancel_many", "redrive", "types"])
def test_method_of_a_client_has_name_documentation_and_parameters_of_its_declaration(
    kind: type[Taskyard | AsyncTaskyard], name: str
) -> None:
    method = getattr(kind(URL, "none"), name)
    assert method.__name__ == name
    assert method.__doc__
    assert "connection" not in inspect.signature(method).parameters
    assert getattr(kind, name).__doc__ == method.__doc__


def test_method_of_the_async_client_is_a_coroutine_function() -> None:
    yard = AsyncTaskyard(URL, "none")
    assert inspect.iscoroutinefunction(yard.submit)
    assert inspect.iscoroutinefunction(yard.wait)
    assert not inspect.iscoroutinefunction(Taskyard(URL, "none").submit)
