"""Dead letters and batches through the local system: a redrive keeps its rate, a thousand tasks run once each."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from taskyard import TaskSpec, Taskyard

from local.system import LocalSystem
from tests.e2e.callers import token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("taskyard")]

LETTERS = 30
PER_SECOND = 0.5
BATCH = 1000


@pytest.fixture
def yard(system: LocalSystem) -> Any:
    with Taskyard(system.url, token(system)) as yard:
        yield yard


def test_thirty_dead_letters_run_again_at_their_rate(system: LocalSystem, yard: Taskyard) -> None:
    assert system.settle()
    # The seed with which the first attempt fails and the second does not.
    fails_once = {"probability": 0.5, "seed": 2}
    specs = [
        TaskSpec(type="FAIL_SOMETIMES", payload=fails_once, max_retries=0, tags={"at": str(at)})
        for at in range(LETTERS)
    ]
    began = min(outcome.task.created_at for outcome in yard.submit_batch(specs) if outcome.task)
    assert system.settle()
    wanted = {"type": "FAIL_SOMETIMES", "error_type": "UnluckyError", "since": began}
    letters = {letter.id for letter in yard.dead_letters(**wanted)}
    assert len(letters) == LETTERS
    dry = yard.redrive(**wanted, dry_run=True)
    assert (dry.matched, dry.redriven) == (LETTERS, 0)
    assert {yard.get(letter).state for letter in letters} == {"DEAD"}

    done = yard.redrive(**wanted, rate=PER_SECOND, attempts=1)
    assert (done.matched, done.redriven, done.skipped) == (LETTERS, LETTERS, 0)
    assert list(yard.dead_letters(**wanted)) == []
    system.clock.advance(LETTERS / PER_SECOND + 2)
    assert system.settle()
    tasks = [yard.get(letter) for letter in letters]
    assert Counter((task.state, task.attempt) for task in tasks) == {("SUCCESS", 2): LETTERS}
    assert max(task.drift_seconds or 0 for task in tasks) < 2
    due = sorted(task.run_at for task in tasks if task.run_at)
    assert [round((later - due[0]).total_seconds() * PER_SECOND) for later in due] == list(range(LETTERS))
    assert {task.raw["redriven"][0]["by"] for task in tasks} == {"local-admin"}


def test_a_thousand_in_one_request_succeed_once_each(system: LocalSystem, yard: Taskyard) -> None:
    assert system.settle()
    system.usage.reset()
    outcomes = yard.submit_batch(TaskSpec(type="DELAYED_MESSAGE", payload={"message": str(at)}) for at in range(BATCH))
    ids = [outcome.task.id for outcome in outcomes if outcome.task]
    assert len(set(ids)) == BATCH
    assert system.usage.calls["api", "sqs", "SendMessageBatch"] == BATCH / 10
    assert yard.submit_batch(outcome.sent for outcome in outcomes[:20])[0].created is False
    assert system.settle(120)
    found = {task.id: task for task in yard.list(type="DELAYED_MESSAGE") if task.id in set(ids)}
    assert Counter((task.state, task.attempt) for task in found.values()) == {("SUCCESS", 1): BATCH}
    assert [found[task_id].payload for task_id in ids] == [{"message": str(at)} for at in range(BATCH)]
