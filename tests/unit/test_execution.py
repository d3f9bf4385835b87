"""Running one handler; tests/integration/test_worker_timeouts.py has it in the worker."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from types import SimpleNamespace
from typing import Annotated, Any, cast

import pytest
from pydantic import BeforeValidator
from taskyard.tasks.context import Context
from taskyard.tasks.errors import InDoubt, Permanent, Retry
from taskyard.tasks.retry import RetryPolicy
from taskyard.tasks.task_type import TaskType

from functions.core.outcomes import Failed, Outcome, Succeeded
from functions.core.task_types import RegisteredType
from functions.worker.execution import Executor

NO_CONTEXT = cast(Context, SimpleNamespace(task_id="x", type="A", attempt=1))


def kind(handler: Any) -> RegisteredType:
    declaration = TaskType(names=("A",), handler=handler, payload_model=None, retry=RetryPolicy(), timeout_seconds=30)
    return RegisteredType.of(declaration, module=__name__, attribute="handler")


def run(handler: Any, *, seconds: float = 5.0) -> Outcome:
    ended = Executor().run(kind(handler), NO_CONTEXT, {"n": 1}, seconds=seconds, limit=seconds)
    assert not ended.stuck
    return ended.outcome


def both(body: Any) -> list[Any]:
    """`body(payload)` as a plain handler, and as a coroutine."""

    def plain(ctx: Any, payload: Any) -> Any:
        return body(payload)

    async def coroutine(ctx: Any, payload: Any) -> Any:
        await asyncio.sleep(0)
        return body(payload)

    return [plain, coroutine]


def raising(error: BaseException) -> Any:
    def body(payload: Any) -> None:
        raise error

    return body


def test_a_value() -> None:
    assert [run(handler) for handler in both(lambda payload: payload["n"])] == [Succeeded("1")] * 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ValueError("bad"), ("ValueError", "bad", False, None)),
        (ValueError(), ("ValueError", "ValueError", False, None)),
        (Retry("busy", after=7), ("Retry", "busy", False, 7)),
        (Permanent("gone"), ("Permanent", "gone", True, None)),
        (InDoubt("mail", 1), ("InDoubt", str(InDoubt("mail", 1)), True, None)),
        (SystemExit(3), ("SystemExit", "3", False, None)),
        (TimeoutError("their own"), ("TimeoutError", "their own", False, None)),
    ],
)
def test_an_error(error: BaseException, outcome: tuple[Any, ...]) -> None:
    for handler in both(raising(error)):
        failed = run(handler)
        assert isinstance(failed, Failed)
        assert (failed.error_type, failed.message, failed.permanent, failed.after) == outcome


def test_the_error_says_where() -> None:
    failed = run(both(raising(ValueError()))[0])
    assert isinstance(failed, Failed)
    assert "test_execution.py:" in str(failed.where)


def test_time_is_up() -> None:
    async def slow(ctx: Any, payload: Any) -> None:
        await asyncio.sleep(30)

    failed = run(slow, seconds=0.05)
    assert isinstance(failed, Failed)
    assert failed.error_type == "TimedOut"


def test_one_loop_serves_all_coroutines_also_after_one_that_exits() -> None:
    loops = []

    async def which(ctx: Any, payload: Any) -> None:
        loops.append(asyncio.get_running_loop())

    executor = Executor()
    for handler in (which, both(raising(SystemExit()))[1], which):
        executor.run(kind(handler), NO_CONTEXT, {}, seconds=5, limit=5)
    assert len(loops) == 2
    assert loops[0] is loops[1]


def test_context_variables_of_the_caller_are_seen() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("set")
    assert [run(handler) for handler in both(lambda payload: variable.get("not set"))] == [Succeeded('"set"')] * 2


class Unwritable:
    """Its serializer, as a model's may, ends programs."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


def test_a_result_that_cannot_be_written_is_permanent() -> None:
    for handler in both(lambda payload: [Unwritable()]):
        failed = run(handler)
        assert isinstance(failed, Failed)
        assert failed.permanent
        assert "result[0]" in failed.message


@pytest.mark.parametrize("error", [RuntimeError("odd"), SystemExit(1), RecursionError()])
def test_a_validator_that_raises_ends_the_attempt(error: BaseException) -> None:
    def validate(payload: Any) -> Any:
        raise error

    async def coroutine(ctx: Any, payload: Any) -> None: ...

    for handler in (lambda ctx, payload: None, coroutine):
        model = Annotated[dict[str, Any], BeforeValidator(validate)]
        odd = TaskType(names=("A",), handler=handler, payload_model=model, retry=RetryPolicy(), timeout_seconds=30)
        ended = Executor().run(
            RegisteredType.of(odd, module=__name__, attribute="handler"), NO_CONTEXT, {}, seconds=5, limit=5
        )
        assert isinstance(ended.outcome, Failed)
        assert ended.outcome.error_type == type(error).__name__


def test_a_thread_that_hangs_says_where() -> None:
    go_on = threading.Event()

    def hang(ctx: Any, payload: Any) -> None:
        go_on.wait(30)

    ended = Executor().run(kind(hang), NO_CONTEXT, {}, seconds=0.05, limit=5)
    go_on.set()
    assert ended.stuck
    assert isinstance(ended.outcome, Failed)
    assert "in hang" in str(ended.outcome.chain)


def test_a_task_of_a_handlers_own_that_exits_ends_nobody_elses_coroutine() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def exits(ctx: Any, payload: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(leave())

    async def stops(ctx: Any, payload: Any) -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "stopped"

    executor = Executor()
    outcomes = [
        executor.run(kind(handler), NO_CONTEXT, {"n": 1}, seconds=5, limit=5).outcome
        for handler in (exits, stops, both(lambda payload: payload["n"])[1])
    ]
    assert [getattr(outcomes[0], "error_type", None), *outcomes[1:]] == [
        "SystemExit",
        Succeeded(json.dumps("stopped")),
        Succeeded("1"),
    ]
