"""Wake-ups that a lane gave up on: every one goes round again, is finished, or is dropped for a reason."""

from __future__ import annotations

import copy
import json
import logging
from typing import Any

import pytest

from functions.core.states import State
from tests.integration.cloud import TENANT, event
from tests.integration.scene import ID, Scene, metrics

WRITER_GONE = 60 + 30


def returned(scene: Scene, name: str = "received_too_often", *, age: float = 0, **fields: Any) -> list[str]:
    """Delivers events/dead_letter/<name>.json, its wake-ups changed by `fields`. The messages that stay."""
    found = copy.deepcopy(event("dead_letter", name))
    for record in found["Records"]:
        record["attributes"]["SentTimestamp"] = str(scene.clock.now - round(age * 1000))
        if fields:
            record["body"] = json.dumps(json.loads(record["body"]) | fields)
    scene.aws.forget_calls()
    answer = scene.aws.invoke("dead_letter", found)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize(
    ("state", "attempt"), [(State.READY, 0), (State.PENDING, 0), (State.RETRY, 2), (State.BLOCKED, 0)]
)
def test_what_waits_goes_round_again_uncharged(
    scene: Scene, state: State, attempt: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = scene.put(state=state, attempt=attempt, priority=1)
    assert returned(scene, rounds=4) == []
    [sent] = scene.aws.wakeups("low")
    assert (sent["generation"], sent["rounds"], sent["delay"]) == (1, 5, 30)
    assert scene.task() == before
    counted = capsys.readouterr().out
    assert metrics(counted)["WakeupReturned"] == 1
    assert '"Lane":"low"' in counted


def test_what_runs_goes_round_again(scene: Scene) -> None:
    before = scene.running(lease=50)
    assert returned(scene) == []
    assert len(scene.aws.wakeups()) == 1
    assert scene.task() == before


def test_what_is_due_later_comes_back_then(scene: Scene) -> None:
    scene.put(state=State.PENDING, available_at=scene.clock.now + 300_000)
    assert returned(scene) == []
    assert [sent["delay"] for sent in scene.aws.wakeups()] == [300]
    scene.put(state=State.PENDING, available_at=scene.clock.now + 3_000_000)
    assert returned(scene) == []
    assert len(scene.aws.timers()) == 1


def test_an_older_record_goes_round_until_a_worker_drops_it(scene: Scene) -> None:
    scene.put(generation=1)
    assert returned(scene, generation=2, age=WRITER_GONE + 1) == []
    [sent] = scene.aws.wakeups()
    assert sent["generation"] == 2


@pytest.mark.parametrize("generation", [1, 2])
def test_settled_is_finished(scene: Scene, generation: int) -> None:
    scene.put("waiting", state=State.BLOCKED, dependencies=(ID,), waiting_for=frozenset({ID}))
    scene.put(state=State.SUCCESS, has_dependents=True, generation=generation)
    scene.store.add_dependent(TENANT, ID, "waiting")
    assert returned(scene) == []
    assert scene.task("waiting").state is State.READY
    assert [sent["task"] for sent in scene.aws.wakeups()] == ["waiting"]


def test_superseded_is_dropped(scene: Scene) -> None:
    scene.put(generation=2)
    assert returned(scene) == []
    assert scene.aws.wakeups() == []


def test_without_a_record_it_stays_until_its_writer_is_gone(scene: Scene) -> None:
    assert len(returned(scene, age=WRITER_GONE)) == 1
    assert returned(scene, age=WRITER_GONE + 1) == []
    assert scene.aws.wakeups() == []


def test_what_scheduler_could_not_deliver_goes_round_again(scene: Scene) -> None:
    """It comes as the request that Scheduler would have made."""
    scene.put(state=State.PENDING)
    assert returned(scene, "from_scheduler") == []
    [sent] = scene.aws.wakeups("normal")
    assert (sent["task"], sent["rounds"]) == (ID, 1)


def test_unreadable_wake_up_is_logged_by_its_shape_and_dropped(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.put()
    with caplog.at_level(logging.ERROR, "taskyard.dead_letter"):
        assert returned(scene, "unreadable") == []
    assert [record.getMessage() for record in caplog.records] == [
        "dropped, unreadable: not a wake-up: text of 5 characters, not JSON"
    ]
    assert "hello" not in caplog.text
    assert len(scene.aws.wakeups()) == 1, "the other one of the batch"


def test_one_that_fails_stays_and_harms_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.core.errors import StoreUnavailable
    from functions.store.tasks import TaskStore

    get = TaskStore.get

    def broken(store: TaskStore, tenant: str, task_id: str) -> Any:
        if task_id == "broken":
            raise StoreUnavailable("DynamoDB", "ThrottlingException")
        return get(store, tenant, task_id)

    monkeypatch.setattr(TaskStore, "get", broken)
    scene.put()
    [record] = event("dead_letter", "received_too_often")["Records"]
    bad = copy.deepcopy(record) | {"messageId": "bad"}
    bad["body"] = json.dumps(json.loads(bad["body"]) | {"task": "broken"})
    answer = scene.aws.invoke("dead_letter", {"Records": [bad, record]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert len(scene.aws.wakeups()) == 1


def test_a_poison_wake_up_goes_round_and_its_task_still_ends_by_its_attempts(scene: Scene) -> None:
    """Twelve receives without a claim, a round through the DLQ, then the worker takes it over as ever."""
    scene.running(lease=-1, attempt=3)
    assert returned(scene) == []
    scene.clock.advance(30)
    assert scene.deliver_sent() == []
    assert scene.task().state is State.DEAD
