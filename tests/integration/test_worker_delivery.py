"""Wake-ups that SQS delivers twice, late, out of order, before their record, after their task was cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from functions.core.states import State
from tests.integration.scene import ID, Scene


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize("same_message", [True, False])
def test_twice_at_the_same_instant_to_two_workers(scene: Scene, same_message: bool) -> None:
    scene.put()
    first = scene.message(number=1)
    second = scene.message(number=1 if same_message else 2)
    together = threading.Barrier(2)
    kept: list[list[str]] = []

    def worker(message: dict[str, object]) -> None:
        together.wait()
        kept.append(scene.deliver(message))

    threads = [threading.Thread(target=worker, args=(message,)) for message in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scene.ran == [{}]
    task = scene.task()
    assert (task.state, task.attempt) == (State.SUCCESS, 1)
    assert [] in kept, "one of the two is done; the other may have seen its lease"


@pytest.mark.parametrize("same_message", [True, False])
def test_twice_in_one_batch(scene: Scene, same_message: bool) -> None:
    """The two must not take each other's claim for their own, whose answer was lost."""

    def handler(ctx: object, payload: object) -> None:
        scene.ran.append(payload)
        # Until the other claim has been refused too.
        wait_for(lambda: scene.aws.called().count("dynamodb.UpdateItem") >= 2)

    scene.handle("NOTE", handler)
    scene.put()
    kept = scene.deliver(scene.message(number=1), scene.message(number=1 if same_message else 2))
    assert len(kept) == 1, "it saw the lease of the other"
    assert scene.ran == [{}]
    assert scene.task().attempt == 1


def test_an_answer_that_was_lost_is_known_by_its_holder(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore sends a claim again when its answer is lost: the second is refused, by the first."""
    from functions.store.table import ConditionFailed, Table, Updated

    update = Table.update

    def answer_lost(table: Table, *args: object, **kwargs: object) -> Updated | ConditionFailed:
        update(table, *args, **kwargs)  # type: ignore[arg-type]
        return update(table, *args, **kwargs)  # type: ignore[arg-type]

    scene.put()
    monkeypatch.setattr(Table, "update", answer_lost)
    assert scene.deliver(scene.message()) == []
    assert scene.ran == [{}]
    task = scene.task()
    assert (task.state, task.attempt) == (State.SUCCESS, 1)


def test_late_after_the_task_has_long_run(scene: Scene) -> None:
    scene.put()
    scene.deliver(scene.message())
    scene.clock.advance(6 * 24 * 3600)
    assert scene.deliver(scene.message(age=6 * 24 * 3600, receives=4)) == []
    assert scene.ran == [{}]


def test_out_of_order_the_retry_before_the_first(scene: Scene) -> None:
    """The wake-up of generation 2 announces what generation 1 has yet to write."""
    scene.put()
    assert scene.deliver(scene.message(generation=2, number=2)) == ["message-2"]
    assert scene.deliver(scene.message(generation=1)) == []
    assert scene.ran == [{}]
    assert scene.deliver(scene.message(generation=2, receives=2)) == []
    assert scene.ran == [{}]


def test_before_its_record(scene: Scene) -> None:
    assert scene.deliver(scene.message(number=1)) == ["message-1"]
    scene.put()
    assert scene.deliver(scene.message(number=1, receives=2)) == []
    assert scene.ran == [{}]


def test_of_a_reschedule_before_its_record(scene: Scene) -> None:
    """Moved to now: the wake-up is faster than the write. The task runs once that has landed, not before."""
    task = scene.put(state=State.PENDING, available_at=scene.clock.now + 3_600_000)
    assert scene.deliver(scene.message(generation=2, number=2)) == ["message-2"]
    scene.store.change(task, generation=2, available_at=scene.clock.now)
    assert scene.deliver(scene.message(generation=2, number=2, receives=2)) == []
    assert scene.ran == [{}]
    assert scene.deliver(scene.message(generation=1)) == []
    assert scene.ran == [{}]


def test_after_its_task_was_cancelled(scene: Scene) -> None:
    task = scene.put(state=State.PENDING, available_at=scene.clock.now + 60_000)
    scene.store.cancel(task, now=scene.clock.now, reason="by request")
    scene.clock.advance(60)
    assert scene.deliver(scene.message()) == []
    assert scene.ran == []
    assert scene.task().state is State.CANCELLED


def test_cancel_of_a_task_that_runs_is_refused(scene: Scene) -> None:
    def handler(ctx: object, payload: object) -> None:
        task = scene.task()
        scene.ran.append(type(scene.store.cancel(task, now=scene.clock.now, reason="by request")).__name__)

    scene.handle("NOTE", handler)
    scene.put()
    assert scene.deliver(scene.message()) == []
    assert scene.ran == ["Rejected"]
    assert scene.task().state is State.SUCCESS


def test_a_zombie_writes_nothing(scene: Scene) -> None:
    """Its lease ended while it ran, and another worker took over: whatever it does then is refused."""

    def zombie(ctx: object, payload: object) -> str:
        if scene.ran:
            return "second"
        scene.ran.append("first")
        scene.clock.advance(63)
        assert scene.deliver(scene.message(receives=2)) == []
        return "first"

    scene.handle("NOTE", zombie)
    scene.put(timeout_seconds=3600)
    assert scene.deliver(scene.message(number=1)) == [], "settled by the other: consequences, deleted"
    task = scene.task()
    assert (task.state, task.attempt) == (State.SUCCESS, 2)
    assert task.result is not None
    assert task.result.inline == '"second"'


def test_a_zombie_that_fails_leaves_its_message_to_the_one_that_holds_the_task(scene: Scene) -> None:
    def zombie(ctx: object, payload: object) -> None:
        scene.running(lease=60, attempt=2)
        raise RuntimeError

    scene.handle("NOTE", zombie)
    scene.put()
    assert scene.deliver(scene.message(number=1)) == ["message-1"]
    task = scene.task()
    assert (task.state, task.attempt, task.history) == (State.RUNNING, 2, ())
    [sent] = scene.aws.wakeups()
    assert sent["generation"] == 2, "message before record: it is dropped once it is old"
    assert scene.deliver(scene.message(ID, generation=2, age=91)) == []
