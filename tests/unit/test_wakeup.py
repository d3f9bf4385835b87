"""The pure table: tests/integration/test_worker_wakeups.py runs each row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskyard.tasks.retry import RetryPolicy

from functions.core.states import CLAIMABLE, REDRIVE_TRANSITIONS, TERMINAL, State
from functions.core.task import Document, Task
from functions.core.wakeup import Action, WakeUp, decide, writer_has_ended

NOW = 1_770_000_000_000
WRITER_MS = 60_000


def task(**fields: Any) -> Task:
    return Task(
        **{
            "tenant": "t",
            "id": "x",
            "type": "A",
            "state": State.READY,
            "created_at": NOW,
            "available_at": NOW,
            "timeout_seconds": 30,
            "retry": RetryPolicy(max_attempts=3),
            "payload": Document("{}"),
            "digest": "d",
        }
        | fields
    )


def do(found: Task | None, *, generation: int = 1, age: int = 0, receives: int = 1) -> Action:
    wakeup = WakeUp(tenant="t", task="x", generation=generation)
    return decide(found, wakeup, now=NOW, sent_at=NOW - age, receives=receives, writer_ms=WRITER_MS).action


tasks = st.builds(
    task,
    state=st.sampled_from(State),
    generation=st.integers(1, 3),
    attempt=st.integers(0, 4),
    available_at=st.integers(NOW - 10, NOW + 10),
    lease_until=st.integers(NOW - 10, NOW + 10),
)


@given(st.none() | tasks, st.integers(1, 3), st.integers(0, 200_000), st.integers(1, 1000))
def test_no_wake_up_is_dropped_while_somebody_may_need_it(
    found: Task | None, generation: int, age: int, receives: int
) -> None:
    if do(found, generation=generation, age=age, receives=receives) is Action.DELETE:
        superseded = found is not None and found.generation > generation
        older = found is None or found.generation < generation
        assert superseded or (older and writer_has_ended(now=NOW, sent_at=NOW - age, writer_ms=WRITER_MS))


@given(tasks, st.integers(1, 3))
def test_only_a_due_task_of_this_generation_or_one_without_a_live_lease_is_claimed(
    found: Task, generation: int
) -> None:
    decided = do(found, generation=generation)
    if decided is Action.CLAIM:
        assert found.state in CLAIMABLE
        assert (found.generation, found.available_at <= NOW) == (generation, True)
    elif decided in (Action.TAKE_OVER, Action.GIVE_UP):
        assert found.state is State.RUNNING
        assert (found.generation, found.lease_until <= NOW) == (generation, True)
        assert (decided is Action.GIVE_UP) == (found.attempt >= 3)


@given(tasks, st.integers(1, 3), st.integers(0, 200_000))
def test_the_settled_are_finished_whatever_was_announced(found: Task, generation: int, age: int) -> None:
    decided = do(found, generation=generation, age=age)
    assert (decided is Action.RUN_CONSEQUENCES) == (
        found.state in TERMINAL and not redrive_may_land(found, generation, age)
    )


@given(tasks, st.integers(1, 3), st.integers(0, 200_000))
def test_the_wake_up_of_a_redrive_waits_for_its_write(found: Task, generation: int, age: int) -> None:
    if redrive_may_land(found, generation, age):
        assert do(found, generation=generation, age=age) is Action.LOOK_AGAIN


def redrive_may_land(found: Task, generation: int, age: int) -> bool:
    gone = writer_has_ended(now=NOW, sent_at=NOW - age, writer_ms=WRITER_MS)
    return found.state in REDRIVE_TRANSITIONS and found.generation < generation and not gone


@given(tasks, st.integers(1, 12))
def test_looking_again_is_never_now(found: Task, receives: int) -> None:
    wakeup = WakeUp(tenant="t", task="x", generation=2)
    verdict = decide(found, wakeup, now=NOW, sent_at=NOW, receives=receives, writer_ms=WRITER_MS)
    assert (verdict.delay_seconds > 0) == (verdict.action is Action.LOOK_AGAIN)


@given(
    st.builds(
        WakeUp,
        tenant=st.text(min_size=1, max_size=200),
        task=st.text(min_size=1, max_size=30),
        generation=st.integers(1, 10**6),
        timeout_seconds=st.integers(0, 900),
        rounds=st.integers(0, 100),
    )
)
def test_a_wake_up_comes_back_from_its_body(wakeup: WakeUp) -> None:
    assert WakeUp.parse(wakeup.body()) == wakeup


@given(st.text(max_size=50))
def test_any_other_text_is_refused(body: str) -> None:
    with pytest.raises(ValueError):
        WakeUp.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "7",
        "null",
        '{"tenant":"t","task":"x"}',
        '{"tenant":"t","task":"x","generation":null}',
        '{"tenant":"t","task":"x","generation":1e999}',
        '{"tenant":"t","task":"x","generation":"one"}',
        pytest.param("[" * 100_000, id="deep"),
        # The table's calls refuse each of these, however often the message comes.
        '{"tenant":"","task":"x","generation":1}',
        '{"tenant":"t","task":"","generation":1}',
        '{"tenant":"t","task":7,"generation":1}',
        r'{"tenant":"t","task":"\ud800","generation":1}',
        r'{"tenant":"\ud800","task":"x","generation":1}',
        pytest.param(f'{{"tenant":"{"t" * 2048}","task":"x","generation":1}}', id="long tenant"),
        pytest.param(f'{{"tenant":"t","task":"{"x" * 2048}","generation":1}}', id="long task"),
        pytest.param(f'{{"tenant":"t","task":"x","generation":1{"0" * 200}}}', id="large number"),
        '{"tenant":"t","task":"x","generation":-1}',
        '{"tenant":"t","task":"x","generation":true}',
        '{"tenant":"t","task":"x","generation":1.5}',
        '{"tenant":"t","task":"x","generation":1,"timeout":"30"}',
        '{"tenant":"t","task":"x","generation":1,"rounds":-1}',
    ],
)
def test_json_that_is_no_wake_up_is_refused(body: str) -> None:
    with pytest.raises(ValueError):
        WakeUp.parse(body)
