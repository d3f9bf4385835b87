"""`run_task` of handlers that submit tasks and read secrets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from taskyard.tasks import Submit, task
from taskyard.testing import run_task


@task("PARENT")
def parent(ctx: Any, payload: Any) -> Any:
    at = datetime(2026, 2, 1, tzinfo=UTC)
    first = ctx.submit("first", "RENDER", {"page": 1}, run_at=at, priority="low")
    return [first, *ctx.submit_many([Submit.of("second", "RENDER"), Submit.of("first", "OTHER")])]


def test_submits_are_recorded_by_name_and_the_first_one_counts() -> None:
    result = run_task(parent, None)
    assert result.outcome == "SUCCESS", result.error
    assert result.result == ["task-under-test/first", "task-under-test/second", "task-under-test/first"]
    assert result.submits == {
        "first": {
            "type": "RENDER",
            "payload": {"page": 1},
            "runAt": "2026-02-01T00:00:00+00:00",
            "priority": "low",
        },
        "second": {"type": "RENDER"},
    }


@task("ASYNC_PARENT")
async def async_parent(ctx: Any, payload: Any) -> Any:
    await ctx.submit_async("first", "RENDER", {"key": await ctx.secret_async("partner")})


def test_coroutine_submits_and_reads_secret() -> None:
    result = run_task(async_parent, None, secrets={"partner": "s3cret"})
    assert result.submits == {"first": {"type": "RENDER", "payload": {"key": "s3cret"}}}


def test_secret_that_the_test_does_not_give_is_named() -> None:
    result = run_task(async_parent, None)
    assert isinstance(result.error, AssertionError)
    assert "the handler reads the secret 'partner'" in str(result.error)


def test_unknown_option_of_submit_is_named() -> None:
    with pytest.raises(TypeError, match="a submit has no option 'runAt'; it has run_at"):
        Submit.of("a", "RENDER", runAt="x")  # type: ignore[call-arg]
