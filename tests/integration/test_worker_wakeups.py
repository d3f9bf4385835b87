"""What a worker does with a wake-up: every row of the design's table, through the entry point."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.core.states import State
from tests.integration.cloud import event
from tests.integration.scene import ID, POLICY, Scene

WRITER_GONE = 60 + 30
"""Seconds: the longest function time-out, and the margin."""


@pytest.mark.parametrize(
    ("state", "generation"),
    [(State.SUCCESS, 1), (State.FAILED, 2), (State.DEAD, 1), (State.CANCELLED, 1), (State.SKIPPED, 3)],
)
def test_settled_is_left_alone_whatever_the_generation(scene: Scene, state: State, generation: int) -> None:
    scene.put(state=state, generation=2)
    assert scene.deliver(scene.message(generation=generation)) == []
    assert scene.aws.called() == ["dynamodb.UpdateItem"], "a refused claim is all that it costs"
    assert scene.ran == []
    assert scene.task().state is state


def test_settled_runs_its_consequences_again(scene: Scene) -> None:
    scene.put("upstream", state=State.SUCCESS, has_dependents=True)
    scene.put("waiting", state=State.BLOCKED, dependencies=("upstream",), waiting_for=frozenset({"upstream"}))
    scene.store.add_dependent("123456789012", "upstream", "waiting")
    assert scene.deliver(scene.message("upstream")) == []
    assert scene.task("waiting").state is State.READY


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (2, 4), (5, 32), (11, 60)])
def test_no_record_yet_looks_again(scene: Scene, receives: int, seconds: int) -> None:
    assert scene.deliver(scene.message(age=WRITER_GONE, receives=receives, number=7)) == ["message-7"]
    assert scene.shown_again() == [seconds]


def test_looking_for_a_record_takes_fewer_receives_than_there_are() -> None:
    """Else every wake-up of a writer that died would take a round through the DLQ."""
    from functions.core.wakeup import WakeUp, decide

    wakeup, now = WakeUp(tenant="t", task="x", generation=1), 0
    longest = 300_000
    for receives in range(1, 13):
        found = decide(None, wakeup, now=now, sent_at=0, receives=receives, writer_ms=longest)
        if not found.delay_seconds:
            break
        now += found.delay_seconds * 1000
    assert receives <= 12
    assert not found.delay_seconds


def test_no_record_of_a_writer_that_is_gone_is_deleted(scene: Scene) -> None:
    assert scene.deliver(scene.message(age=WRITER_GONE + 1)) == []
    assert scene.shown_again() == []


@pytest.mark.parametrize("age", [0, WRITER_GONE])
def test_an_older_generation_looks_again(scene: Scene, age: int) -> None:
    scene.put(generation=1)
    assert scene.deliver(scene.message(generation=2, age=age, number=7)) == ["message-7"]
    assert scene.ran == []


def test_an_older_generation_whose_writer_is_gone_is_deleted(scene: Scene) -> None:
    scene.put(generation=1)
    assert scene.deliver(scene.message(generation=2, age=WRITER_GONE + 1)) == []
    assert scene.ran == []
    assert scene.task().state is State.READY, "its own wake-up will run it"


def test_superseded_is_deleted(scene: Scene) -> None:
    scene.put(generation=2)
    assert scene.deliver(scene.message(generation=1)) == []
    assert scene.ran == []


def test_early_within_a_quarter_of_an_hour_goes_on_by_queue(scene: Scene) -> None:
    scene.put(state=State.PENDING, available_at=scene.clock.now + 899_001, priority=8)
    assert scene.deliver(scene.message(rounds=3)) == []
    [sent] = scene.aws.wakeups("high")
    assert sent["delay"] == 900, "rounded up: early by a fraction would mean another journey"
    assert (sent["generation"], sent["rounds"]) == (1, 3)
    assert scene.task().state is State.PENDING


def test_early_by_more_goes_on_by_timer(scene: Scene) -> None:
    scene.put(state=State.PENDING, available_at=scene.clock.now + 900_001)
    assert scene.deliver(scene.message()) == []
    assert scene.aws.wakeups() == []
    [timer] = scene.aws.timers()
    assert json.loads(timer["Target"]["Input"])["task"] == ID
    assert scene.deliver(scene.message()) == [], "delivered twice: one timer"
    assert len(scene.aws.timers()) == 1


@pytest.mark.parametrize("state", [State.READY, State.PENDING, State.RETRY])
def test_waiting_and_due_is_run(scene: Scene, state: State) -> None:
    scene.put(state=state, generation=4, attempt=1)
    assert scene.deliver(scene.message(generation=4)) == []
    assert scene.ran == [{}]
    task = scene.task()
    assert (task.state, task.attempt) == (State.SUCCESS, 2)
    assert (task.lease_until, task.holder) == (0, None)


def test_a_small_task_costs_two_writes_to_run(scene: Scene) -> None:
    scene.put()
    assert scene.deliver(*event("worker", "one")["Records"]) == []
    assert scene.aws.called() == ["dynamodb.UpdateItem", "dynamodb.UpdateItem"]


def test_the_lease_lasts_until_the_invocation_must_be_over(scene: Scene) -> None:
    leases: list[int] = []
    scene.handle("LOOK", lambda ctx, payload: leases.append(scene.task().lease_until))
    scene.put(type="LOOK")
    scene.deliver(scene.message(), remaining_ms=45_000)
    assert leases == [scene.clock.now + 45_000 + 2_000]


def test_a_live_lease_is_looked_at_again_soon_then_at_its_end(scene: Scene) -> None:
    scene.running(lease=41.2)
    assert scene.deliver(scene.message(receives=1, number=7)) == ["message-7"]
    assert scene.shown_again() == [2]
    assert scene.deliver(scene.message(receives=2, number=7)) == ["message-7"]
    assert scene.shown_again() == [42]
    assert scene.ran == []
    assert scene.task().attempt == 1


def test_an_ended_lease_is_taken_over_and_the_lost_attempt_told(scene: Scene) -> None:
    scene.running(lease=0, started_at=scene.clock.now - 60_000)
    assert scene.deliver(scene.message(receives=2)) == []
    task = scene.task()
    assert (task.state, task.attempt) == (State.SUCCESS, 2)
    [lost] = task.history
    assert (lost.number, lost.outcome, lost.error_type) == (1, "LOST", "WorkerLost")
    assert lost.ended_at == scene.clock.now


def test_an_ended_lease_without_tries_left_is_dead(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.integration.scene import metrics

    scene.running(lease=-1, attempt=POLICY.max_attempts)
    assert scene.deliver(scene.message()) == []
    task = scene.task()
    assert (task.state, task.attempt, task.lease_until) == (State.DEAD, 3, 0)
    assert task.ended_at == scene.clock.now
    assert scene.outcomes() == ["LOST"]
    assert "deadPk" in item(scene)
    assert scene.ran == []
    assert metrics(capsys.readouterr().out)["TaskDeadLettered"] == 1


def test_blocked_looks_at_its_dependencies_again(scene: Scene) -> None:
    """Its submitter died between the record and the edges."""
    scene.put("done", state=State.SUCCESS)
    scene.put("open")
    scene.put(state=State.BLOCKED, dependencies=("done", "open"), waiting_for=frozenset({"done", "open"}), generation=1)
    assert scene.deliver(scene.message()) == []
    task = scene.task()
    assert (task.state, task.waiting_for) == (State.BLOCKED, frozenset({"open"}))
    assert scene.task("open").has_dependents
    assert scene.deliver(scene.message("open")) == []
    assert scene.task().state is State.READY
    assert scene.deliver_sent() == []
    assert scene.task().state is State.SUCCESS


def test_what_cannot_be_read_stays_for_the_dead_letter_queue(scene: Scene) -> None:
    scene.put()
    records = event("worker", "unreadable")["Records"]
    assert scene.deliver(*records) == [record["messageId"] for record in records[1:]]
    assert scene.task().state is State.SUCCESS


def item(scene: Scene, task_id: str = ID) -> dict[str, Any]:
    return next(item for item in scene.aws.items() if item["pk"]["S"].endswith(task_id) and item["sk"]["S"] == "TASK")
