"""PATCH /tasks/{id}: what may be changed until a task starts."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api.tasks.changes import TRIES
from functions.core.states import State
from functions.core.task import Task
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment
from functions.store.tasks import Applied, TaskStore
from tests.integration.api import Answer, Api
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import Clock


def store(aws: Cloud) -> TaskStore:
    return wiring.task_store(ApiEnvironment(aws.env))


def claimed(aws: Cloud, task: dict[str, Any], now: int) -> Task:
    answer = store(aws).claim(TENANT, task["id"], task["generation"], now=now, lease_until=now + 60_000, holder="test")
    assert isinstance(answer, Applied)
    return answer.task


def change(api: Api, task: dict[str, Any], **fields: Any) -> Any:
    answer = api("PATCH", f"/tasks/{task['id']}", fields)
    assert answer.status == 200, answer.body
    return answer.body


def refused(api: Api, task: dict[str, Any], **fields: Any) -> Answer:
    answer = api("PATCH", f"/tasks/{task['id']}", fields)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


def test_moved_it_is_announced_anew_and_then_written(api: Api, aws: Cloud) -> None:
    task = api.submit()
    aws.forget_calls()
    moved = change(api, task, delaySeconds=60)
    assert (moved["state"], moved["generation"], moved["runAt"]) == ("PENDING", 2, "2026-02-02T02:41:00.000Z")
    assert aws.called() == ["dynamodb.GetItem", "sqs.SendMessage", "dynamodb.UpdateItem", "dynamodb.PutItem"]
    assert aws.calls[-1].is_of_audit
    assert [(wakeup["generation"], wakeup["delay"]) for wakeup in aws.wakeups()] == [(2, 60)]
    assert api.get(task["id"]) == moved


def test_the_old_timer_is_forgotten(api: Api, aws: Cloud) -> None:
    task = api.submit(runAt="2026-03-02T00:00:00Z")
    change(api, task, runAt="2026-04-02T00:00:00Z")
    (timer,) = aws.timers()
    assert timer["ScheduleExpression"] == "at(2026-04-01T23:59:00)"
    assert change(api, task, scheduled_at="2020-01-01T00:00:00Z")["state"] == "READY"
    assert aws.timers() == []


def test_a_timer_that_cannot_be_deleted_is_left(api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    task = api.submit(runAt="2026-03-02T00:00:00Z")

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no permission")

    monkeypatch.setattr("functions.aws.timers.Timers.delete", fails)
    assert change(api, task, delaySeconds=0)["state"] == "READY"


def test_another_lane_is_another_wakeup(api: Api, aws: Cloud) -> None:
    task = api.submit(delaySeconds=60)
    aws.forget_calls()
    changed = change(api, task, priority="high")
    assert (changed["lane"], changed["generation"], changed["runAt"]) == ("high", 2, task["runAt"])
    assert [(wakeup["lane"], wakeup["delay"]) for wakeup in aws.wakeups()] == [("high", 60)]


def test_within_a_lane_nothing_is_sent(api: Api, aws: Cloud) -> None:
    task = api.submit(priority=5)
    aws.forget_calls()
    changed = change(api, task, priority=4)
    assert (changed["priority"], changed["generation"], changed["state"]) == (4, 1, "READY")
    assert aws.called(audit=False) == ["dynamodb.GetItem", "dynamodb.UpdateItem"]


def test_a_change_to_what_it_is_changes_nothing(api: Api, aws: Cloud) -> None:
    task = api.submit(delaySeconds=60, priority=5)
    assert change(api, task, priority=5, runAt=task["runAt"]) == task


@pytest.mark.parametrize("sizes", [(10, 2000), (2000, 10), (2000, 3000)])
def test_a_payload_is_replaced_wherever_it_is_kept(api: Api, sizes: tuple[int, int]) -> None:
    before, after = ({"message": "m" * size} for size in sizes)
    task = api.submit(payload=before)
    changed = change(api, task, payload=after)
    assert (changed["payload"], changed["generation"]) == (after, 1)
    assert api.get(task["id"])["payload"] == after


def test_the_worker_runs_what_was_changed(api: Api, aws: Cloud) -> None:
    task = api.submit()
    change(api, task, payload={"message": "changed"})
    aws.invoke("worker", aws.deliver())
    assert api.get(task["id"])["result"] == {"message": "changed"}


def test_a_payload_is_held_against_the_type(api: Api) -> None:
    answer = refused(api, api.submit(), payload={"massage": "x"}, priority=99)
    assert answer.fields.keys() == {"payload.message", "payload.massage", "priority"}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, ["body"]),
        ({"priority": None}, ["body"]),
        ({"tags": {}}, ["tags"]),
        ({"runAt": "2026-03-02T00:00:00Z", "delaySeconds": 3}, ["delaySeconds"]),
        ({"run_at": "2026-03-02T00:00:00"}, ["run_at"]),
        ({"delay_seconds": -1}, ["delay_seconds"]),
        ({"runAt": "2099-03-02T00:00:00Z"}, ["runAt"]),
    ],
)
def test_what_is_no_change_is_refused(api: Api, fields: dict[str, Any], named: list[str]) -> None:
    answer = refused(api, api.submit(), **fields)
    assert answer.status == 422
    assert sorted(answer.fields) == sorted(named)


def test_a_task_that_runs_is_not_changed(api: Api, aws: Cloud, clock: Clock) -> None:
    task = api.submit()
    claimed(aws, task, clock.now)
    answer = refused(api, task, delaySeconds=5)
    assert (answer.status, answer.body["type"]) == (409, "urn:taskyard:problem:not-allowed-in-state")
    assert answer.body["state"] == "RUNNING"
    assert "RUNNING" in answer.body["detail"]


def test_a_settled_task_is_not_changed(api: Api, aws: Cloud) -> None:
    task = api.submit()
    aws.invoke("worker", aws.deliver())
    assert refused(api, task, priority=1).body["state"] == "SUCCESS"


def test_a_task_between_attempts_stays_in_retry(api: Api, aws: Cloud, clock: Clock) -> None:
    task = api.submit(type="FAIL_SOMETIMES", payload={"probability": 1}, retry={"baseSeconds": 600, "jitter": 0})
    aws.invoke("worker", aws.deliver())
    assert api.get(task["id"])["state"] == "RETRY"
    moved = change(api, task, delaySeconds=0)
    assert (moved["state"], moved["generation"], moved["runAt"]) == ("RETRY", 3, "2026-02-02T02:40:00.000Z")


def test_a_blocked_task_is_changed_without_a_wakeup(api: Api, aws: Cloud) -> None:
    task = api.submit(dependencies=[api.submit()["id"]])
    aws.forget_calls()
    changed = change(api, task, runAt="2026-03-02T00:00:00Z", priority=9, payload={"message": "x"})
    assert (changed["state"], changed["generation"], changed["lane"]) == ("BLOCKED", 1, "high")
    assert changed["runAt"] == "2026-03-02T00:00:00.000Z"
    assert aws.wakeups() == []
    assert aws.timers() == []


def test_a_change_that_lost_a_race_is_tried_on_what_there_is_now(
    api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = api.submit()
    stale = store(aws).get(TENANT, task["id"])
    change(api, task, delaySeconds=30)
    reads = iter([stale])
    original = TaskStore.get
    monkeypatch.setattr(TaskStore, "get", lambda self, *args: next(reads, None) or original(self, *args))
    moved = change(api, task, delaySeconds=90)
    assert (moved["generation"], moved["runAt"]) == (3, "2026-02-02T02:41:30.000Z")


def test_a_change_that_loses_every_race_says_so(api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    task = api.submit()
    stale = store(aws).get(TENANT, task["id"])
    change(api, task, delaySeconds=30)
    aws.forget_calls()
    monkeypatch.setattr(TaskStore, "get", lambda self, *args: stale)
    answer = refused(api, task, delaySeconds=90)
    assert (answer.status, answer.body["type"]) == (409, "urn:taskyard:problem:changed-meanwhile")
    assert aws.called().count("dynamodb.UpdateItem") == TRIES


def test_one_that_starts_meanwhile_is_not_changed(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = api.submit()
    reads = iter([store(aws).get(TENANT, task["id"])])
    claimed(aws, task, clock.now)
    original = TaskStore.get
    monkeypatch.setattr(TaskStore, "get", lambda self, *args: next(reads, None) or original(self, *args))
    assert refused(api, task, delaySeconds=90).body["state"] == State.RUNNING
