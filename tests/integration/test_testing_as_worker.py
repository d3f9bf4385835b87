"""taskyard.testing ends a handler's attempt as the worker does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from taskyard.tasks import Context, Permanent, Retry, RetryPolicy, task
from taskyard.testing import run_task

from functions.core.task import Document
from tests.integration.scene import Scene

POLICY = RetryPolicy(max_attempts=2, base_seconds=30)


def succeeds(ctx: Context) -> Any:
    ctx.log("message", number=1, text="é")
    ctx.progress(0.25, "quarter")
    return {"once": ctx.once("effect", lambda: (1, 2))}


def returns_what_cannot_be_stored(ctx: Context) -> Any:
    return {"key": object()}


def records_what_cannot_be_stored(ctx: Context) -> Any:
    return ctx.once("effect", object)


def raising(error: BaseException) -> Callable[[Context], Any]:
    def fail(ctx: Context) -> Any:
        ctx.log(error)
        raise error

    return fail


def logs_too_much(ctx: Context) -> Any:
    for number in range(200):
        ctx.log(f"line {number} {'x' * number}")


BODIES: dict[str, Callable[[Context], Any]] = {
    "success": succeeds,
    "result": returns_what_cannot_be_stored,
    "effect": records_what_cannot_be_stored,
    "log": logs_too_much,
    "error": raising(RuntimeError("odd")),
    "retry": raising(Retry("later", after=90)),
    "permanent": raising(Permanent("never")),
    "exit": raising(SystemExit(3)),
    "group": raising(ExceptionGroup("two", [Permanent("a"), Retry(after=7)])),
}


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("body", BODIES)
def test_run_task_ends_as_in_the_worker(scene: Scene, body: str, attempt: int) -> None:
    @task("BODY", retry=POLICY)
    def handler(ctx: Context, payload: dict[str, Any]) -> Any:
        return BODIES[body](ctx)

    scene.add(handler)
    before = scene.put(type="BODY", payload=Document("{}"), retry=POLICY, attempt=attempt - 1)
    scene.deliver(scene.message())
    stored = scene.task()
    result = run_task(handler, {}, attempt=attempt, task_id=before.id)
    assert result.outcome == stored.state
    assert result.log == list(stored.log or stored.history[-1].log)
    assert result.result == (json.loads(stored.result.inline) if stored.result and stored.result.inline else None)
    if result.retry_seconds is not None:
        assert stored.available_at - scene.clock.now == round(result.retry_seconds * 1000)
