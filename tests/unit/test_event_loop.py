"""Coroutines that block the loop that they share. Nobody sleeps: a coroutine holds the loop until the test lets go."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from taskyard.tasks.context import Context
from taskyard.tasks.retry import RetryPolicy
from taskyard.tasks.task_type import TaskType

from functions.core.outcomes import Failed, Succeeded
from functions.core.task_types import RegisteredType
from functions.worker.event_loop import BLOCKED_SECONDS, EventLoop
from functions.worker.execution import Execution

PATIENCE = 60


class Stage:
    """A loop, and handlers started on it side by side."""

    def __init__(self) -> None:
        self.loop = EventLoop()
        self.threads = ThreadPoolExecutor(8)
        self.held = threading.Event()
        self.let_go = threading.Event()
        self.ran: list[str] = []

    def start(self, name: str, handler: Any, *, seconds: float, limit: float = PATIENCE) -> Future[Execution]:
        declaration = TaskType(
            names=(name,), handler=handler, payload_model=None, retry=RetryPolicy(), timeout_seconds=30
        )
        kind = RegisteredType.of(declaration, module=__name__, attribute="handler")
        ctx = cast(Context, SimpleNamespace(task_id=name, type=name, attempt=1))
        return self.threads.submit(self.loop.run, kind, ctx, None, seconds=seconds, limit=limit)

    def hold(self) -> None:
        """On the loop: nobody else runs until the test lets go."""
        self.held.set()
        self.let_go.wait(PATIENCE)

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.01)

    # -- handlers

    async def holder(self, ctx: Any, payload: Any) -> str:
        self.hold()
        return "let go"

    async def holder_by_a_task(self, ctx: Any, payload: Any) -> str:
        async def hold() -> None:
            self.hold()

        async with asyncio.TaskGroup() as group:
            group.create_task(hold())
        return "let go"

    async def holder_by_a_callback(self, ctx: Any, payload: Any) -> str:
        asyncio.get_running_loop().call_soon(self.hold)
        await asyncio.sleep(0)
        return "let go"

    async def quick(self, ctx: Any, payload: Any) -> str:
        self.ran.append(ctx.task_id)
        return "ran"


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.let_go.set()
    made.threads.shutdown()


def held_for(stage: Stage, seconds: float) -> Callable[[], bool]:
    """Whether everybody but the holder has been held off for so long."""
    return lambda: sum(each.blocked_seconds >= seconds for each in tuple(stage.loop._attempts)) > 0


@pytest.mark.parametrize("holder", ["holder", "holder_by_a_task", "holder_by_a_callback"])
def test_coroutine_that_never_began_runs_once_the_loop_is_free(stage: Stage, holder: str) -> None:
    """Its time-out is far less than the time for which it was held off."""
    first = stage.start("HOLDER", getattr(stage, holder), seconds=PATIENCE)
    assert stage.held.wait(PATIENCE)
    second = stage.start("HELD", stage.quick, seconds=0.1)
    stage.until(held_for(stage, 3 * BLOCKED_SECONDS))
    assert stage.ran == []
    stage.let_go.set()
    assert second.result(PATIENCE) == Execution(Succeeded('"ran"'))
    assert first.result(PATIENCE) == Execution(Succeeded('"let go"'))


def test_coroutine_that_waits_gets_the_time_for_which_the_loop_was_held(stage: Stage) -> None:
    began = threading.Event()

    async def waits(ctx: Any, payload: Any) -> str:
        began.set()
        await asyncio.sleep(0.05)
        return "waited"

    second = stage.start("HELD", waits, seconds=0.8)
    assert began.wait(PATIENCE)
    stage.start("HOLDER", stage.holder, seconds=PATIENCE)
    assert stage.held.wait(PATIENCE)
    stage.until(lambda: held_for(stage, 2 * BLOCKED_SECONDS)() or second.done())
    stage.let_go.set()
    assert second.result(PATIENCE) == Execution(Succeeded('"waited"'))


def test_coroutine_that_does_not_let_go_is_timed_out_and_its_neighbours_are_not_charged(stage: Stage) -> None:
    first = stage.start("HOLDER", stage.holder, seconds=0.6)
    assert stage.held.wait(PATIENCE)
    held = [stage.start(f"HELD{at}", stage.quick, seconds=0.1) for at in range(3)]
    held.append(stage.start("PATIENT", stage.quick, seconds=PATIENCE))
    for each in held:
        ended = each.result(PATIENCE)
        assert ended.stuck
        assert isinstance(ended.outcome, Failed)
        assert (ended.outcome.error_type, ended.outcome.charged) == ("LoopBlocked", False)
        assert "HOLDER" not in ended.outcome.message, "it may be another tenant's"
    ended = first.result(PATIENCE)
    assert ended.stuck
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.error_type, ended.outcome.charged) == ("TimedOut", True)
    assert "in hold" in str(ended.outcome.chain)


def test_coroutine_held_off_until_the_invocation_ends_is_not_charged(stage: Stage) -> None:
    stage.start("HOLDER", stage.holder, seconds=PATIENCE)
    assert stage.held.wait(PATIENCE)
    ended = stage.start("HELD", stage.quick, seconds=0.1, limit=2.0).result(PATIENCE)
    assert ended.stuck
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.error_type, ended.outcome.charged) == ("LoopBlocked", False)


def test_coroutine_that_ignores_its_cancellation_is_timed_out_and_its_neighbours_run(stage: Stage) -> None:
    over = threading.Event()

    async def stubborn(ctx: Any, payload: Any) -> None:
        while not over.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                stage.ran.append("ignored")

    ended = stage.start("STUBBORN", stubborn, seconds=0.1).result(PATIENCE)
    assert stage.start("QUICK", stage.quick, seconds=PATIENCE).result(PATIENCE) == Execution(Succeeded('"ran"'))
    over.set()
    assert ended.stuck
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.error_type, ended.outcome.charged) == ("TimedOut", True)


@pytest.mark.parametrize("holder", ["holder", "holder_by_a_task"])
def test_coroutine_that_holds_the_loop_is_named_in_the_log(
    stage: Stage, holder: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage.start("HOLDER", getattr(stage, holder), seconds=PATIENCE)
    assert stage.held.wait(PATIENCE)
    stage.start("HELD", stage.quick, seconds=PATIENCE)
    with caplog.at_level(logging.ERROR, "taskyard.worker"):
        stage.until(lambda: caplog.records)
    [named] = caplog.records
    assert "attempt 1 of task HOLDER (HOLDER) holds the event loop" in named.getMessage()
    assert "in hold" in named.getMessage()
    assert (named.taskId, named.taskType, named.attempt) == ("HOLDER", "HOLDER", 1)  # type: ignore[attr-defined]
