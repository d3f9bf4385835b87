"""Attempts that run too long, and tasks that there is no time left for."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from functions.core.states import State
from functions.worker import batch
from tests.integration.scene import POLICY, Scene


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> list[str]:
    """What was called when the process would have ended."""
    ended: list[str] = []
    from functions.worker import handler

    made = handler.services()
    object.__setattr__(made, "exit", lambda: ended.append(scene.aws.called()[-1]))
    return ended


def test_a_plain_function_that_hangs_is_settled_last_and_the_process_ended(scene: Scene, exits: list[str]) -> None:
    go_on = threading.Event()
    scene.handle("HANG", lambda ctx, payload: go_on.wait(30))
    scene.put("hangs", type="HANG", timeout_seconds=1)
    scene.put("quick")
    try:
        kept = scene.deliver(
            scene.message("hangs", timeout=1), scene.message("quick"), scene.message("absent", number=9)
        )
    finally:
        go_on.set()
    assert kept == ["message-9"]
    assert exits == ["sqs.DeleteMessageBatch"], "what is done is deleted by us: the mapping sees a failed invocation"
    [deleted] = [call for call in scene.aws.calls if call.name == "sqs.DeleteMessageBatch"]
    assert [entry["ReceiptHandle"] for entry in deleted.parameters["Entries"]] == ["receipt-1", "receipt-2"]
    assert scene.task("quick").state is State.SUCCESS
    task = scene.task("hangs")
    assert (task.state, task.history[0].error_type) == (State.RETRY, "TimedOut")
    assert task.history[0].error == "ran longer than its 1 s"
    assert task.available_at >= scene.clock.now + batch.STUCK_EXIT_MS, "not before this process is surely gone"


def test_the_process_ends_also_when_nothing_can_be_written(
    scene: Scene, exits: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.aws.queues import Queues
    from functions.core.errors import StoreUnavailable

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("SQS", "RequestThrottled")

    go_on = threading.Event()
    scene.handle("HANG", lambda ctx, payload: go_on.wait(30))
    scene.put(type="HANG", timeout_seconds=1)
    monkeypatch.setattr(Queues, "send", unavailable)
    monkeypatch.setattr(Queues, "delete_many", unavailable)
    try:
        assert scene.deliver(scene.message(timeout=1, number=1)) == ["message-1"]
    finally:
        go_on.set()
    assert len(exits) == 1
    assert scene.task().state is State.RUNNING, "found lost at its lease's end"


def test_a_suspect_does_not_run_beside_a_hanging_one(scene: Scene, exits: list[str]) -> None:
    go_on = threading.Event()
    scene.handle("HANG", lambda ctx, payload: go_on.wait(30))
    scene.put("hangs", type="HANG", timeout_seconds=1)
    scene.running(lease=-1, task_id="suspect")
    try:
        kept = scene.deliver(scene.message("hangs", timeout=1), scene.message("suspect", number=9))
    finally:
        go_on.set()
    assert kept == ["message-9"]
    assert scene.shown_again() == [0]
    assert (scene.task("suspect").state, scene.task("suspect").attempt) == (State.RUNNING, 1)


def test_a_coroutine_that_hangs_is_cancelled(scene: Scene, exits: list[str]) -> None:
    async def hang(ctx: Any, payload: Any) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            scene.ran.append("cancelled")

    scene.handle("HANG", hang)
    scene.put(type="HANG", timeout_seconds=0)
    assert scene.deliver(scene.message(timeout=0)) == []
    assert scene.ran in ([], ["cancelled"]), "with no time at all it may not even have begun"
    assert scene.task().history[0].error_type == "TimedOut"
    scene.put(type="HANG", timeout_seconds=1)
    assert scene.deliver(scene.message(timeout=1)) == []
    assert scene.ran[-1:] == ["cancelled"]
    assert scene.task().history[0].error_type == "TimedOut"
    assert exits == [], "nothing runs on"


def test_a_coroutine_that_will_not_be_cancelled_is_stuck(scene: Scene, exits: list[str]) -> None:
    go_on = threading.Event()

    async def stubborn(ctx: Any, payload: Any) -> None:
        while not go_on.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                scene.ran.append("no")

    scene.handle("HANG", stubborn)
    scene.put(type="HANG", timeout_seconds=1)
    try:
        assert scene.deliver(scene.message(timeout=1)) == []
    finally:
        go_on.set()
    assert scene.task().history[0].error_type == "TimedOut"
    assert len(exits) == 1


def test_coroutine_that_holds_the_loop_is_charged_and_its_neighbours_are_not(scene: Scene, exits: list[str]) -> None:
    held, go_on = threading.Event(), threading.Event()

    async def hold(ctx: Any, payload: Any) -> None:
        held.set()
        go_on.wait(30)

    async def neighbour(ctx: Any, payload: Any) -> None:
        scene.ran.append(ctx.task_id)

    once = replace(POLICY, max_attempts=1)
    scene.handle("HOLD", hold)
    scene.handle("NEIGHBOUR", neighbour)
    scene.put("holder", type="HOLD", timeout_seconds=1, retry=once)
    try:
        scene.put("neighbour", type="NEIGHBOUR", timeout_seconds=1, retry=once)
        # The holder first: the neighbour's coroutine is to find the loop held.
        starts = scene.store.claim

        def claim(store: Any, tenant: str, task_id: str, *args: Any, **named: Any) -> Any:
            if task_id == "neighbour":
                held.wait(30)
            return starts(tenant, task_id, *args, **named)

        with mock.patch("functions.store.tasks.TaskStore.claim", claim):
            assert scene.deliver(scene.message("holder", timeout=1), scene.message("neighbour", timeout=1)) == []
    finally:
        go_on.set()
    holder, task = scene.task("holder"), scene.task("neighbour")
    assert (holder.state, holder.history[-1].error_type) == (State.DEAD, "TimedOut")
    assert (task.state, task.history[-1].error_type) == (State.RETRY, "LoopBlocked")
    assert (task.attempt, task.retry.max_attempts) == (1, 2), "its fence rose, and so did its maximum"
    assert task.available_at >= scene.clock.now + batch.STUCK_EXIT_MS
    assert scene.ran == []
    assert len(exits) == 1


def test_a_timeout_error_of_the_handlers_own_is_told_as_such(scene: Scene) -> None:
    async def handler(ctx: Any, payload: Any) -> None:
        raise TimeoutError("the database did not answer")

    scene.handle("NOTE", handler)
    scene.put()
    assert scene.deliver(scene.message()) == []
    failed = scene.task().history[0]
    assert (failed.error_type, failed.error) == ("TimeoutError", "the database did not answer")


def test_on_its_last_try_a_hanging_task_is_dead(scene: Scene, exits: list[str]) -> None:
    go_on = threading.Event()
    scene.handle("HANG", lambda ctx, payload: go_on.wait(30))
    scene.put(type="HANG", timeout_seconds=1, attempt=POLICY.max_attempts - 1)
    try:
        assert scene.deliver(scene.message(timeout=1)) == []
    finally:
        go_on.set()
    assert scene.task().state is State.DEAD
    assert len(exits) == 1


@pytest.mark.parametrize(("remaining", "runs"), [(35_000, True), (34_999, False)])
def test_what_cannot_finish_in_this_invocation_is_handed_back(scene: Scene, remaining: int, runs: bool) -> None:
    scene.put()
    kept = scene.deliver(scene.message(timeout=30, number=1), remaining_ms=remaining)
    assert kept == ([] if runs else ["message-1"])
    assert scene.shown_again() == ([] if runs else [0])
    assert scene.task().attempt == (1 if runs else 0), "not claimed: nothing is charged"


def test_what_asks_for_more_than_any_invocation_has_is_not_handed_back_for_ever(scene: Scene) -> None:
    deadlines: list[float] = []
    scene.handle("NOTE", lambda ctx, payload: deadlines.append(ctx.remaining()))
    scene.put(timeout_seconds=3600)
    assert scene.deliver(scene.message(timeout=3600), remaining_ms=59_000) == []
    assert deadlines == [54.0], "all that there is, but for what settling takes"


def test_the_deadline_is_the_tasks_own_when_that_is_sooner(scene: Scene) -> None:
    deadlines: list[float] = []
    scene.handle("NOTE", lambda ctx, payload: deadlines.append(ctx.deadline))
    scene.put(timeout_seconds=20)
    scene.deliver(scene.message(timeout=20))
    assert deadlines == [scene.clock.now / 1000 + 20]


def test_handlers_that_sleep_do_not_wait_for_each_other(scene: Scene) -> None:
    """Ten coroutines of one batch on one loop."""
    together = asyncio.Barrier(10)

    async def meet(ctx: Any, payload: Any) -> None:
        await together.wait()

    scene.handle("MEET", meet)
    for at in range(10):
        scene.put(f"t{at}", type="MEET")
    assert scene.deliver(*(scene.message(f"t{at}") for at in range(10))) == []
    assert {scene.task(f"t{at}").state for at in range(10)} == {State.SUCCESS}
