"""POST /tasks: what is accepted, what is written and sent for it, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from functions.core.pools import band_of
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import EVENTS, Cloud, event
from tests.integration.conftest import Clock

REQUESTS = sorted((EVENTS / "requests").glob("*.json"))


def test_a_small_immediate_task_takes_a_message_and_then_a_record(api: Api, aws: Cloud) -> None:
    answer = api("POST", "/tasks", MESSAGE)
    assert answer.status == 201
    assert answer.headers["location"] == f"/tasks/{answer.body['id']}"
    assert answer.headers["content-type"] == "application/json"
    assert aws.called() == ["sqs.SendMessage", "dynamodb.PutItem"]
    assert aws.wakeups("normal") == [
        {
            "tenant": "123456789012",
            "task": answer.body["id"],
            "generation": 1,
            "type": "DELAYED_MESSAGE",
            "timeout": 30,
            "delay": 0,
            "lane": "normal",
        }
    ]
    assert api.get(answer.body["id"]) == answer.body


def test_a_new_task_is_shown_whole(api: Api) -> None:
    task = api.submit(priority="high", maxRetries=0, tags={"team": "a"}, retry={"strategy": "fixed"}, timeoutSeconds=9)
    assert task == task | {
        "type": "DELAYED_MESSAGE",
        "state": "READY",
        "priority": 8,
        "lane": "high",
        "payload": {"message": "hello"},
        "result": None,
        "runAt": "2026-02-02T02:40:00.000Z",
        "createdAt": "2026-02-02T02:40:00.000Z",
        "startedAt": None,
        "endedAt": None,
        "attempt": 0,
        "maxAttempts": 1,
        "maxRetries": 0,
        "retry": {"strategy": "fixed", "baseSeconds": 2.0, "maxSeconds": 900.0, "jitter": 0.5},
        "timeoutSeconds": 9,
        "idempotencyKey": None,
        "tags": {"team": "a"},
        "generation": 1,
        "dependencies": [],
        "progress": None,
        "attempts": [],
    }


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_bodies_as_people_write_them_are_accepted(api: Api, aws: Cloud, path: Path) -> None:
    answer = api("POST", "/tasks", path.read_text(), headers={"Idempotency-Key": path.stem})
    assert answer.status == 201, answer.body
    expected: dict[str, dict[str, Any]] = {
        "orchestration": {"type": "SEND_EMAIL", "state": "READY"},
        "distributed": {"type": "SEND_EMAIL", "state": "PENDING", "maxRetries": 3},
        "background": {"type": "welcome-email", "state": "READY"},
        "sql": {"type": "DELAYED_MESSAGE", "state": "READY", "priority": 5, "maxRetries": 3},
    }
    assert answer.body == answer.body | expected[path.stem]
    assert [wakeup["delay"] for wakeup in aws.wakeups()] == [60 if path.stem == "distributed" else 0]


def test_the_requests_are_all_there() -> None:
    assert [path.stem for path in REQUESTS] == ["background", "distributed", "orchestration", "sql"]


@pytest.mark.parametrize("name", ["submit_task", "submit_task_assumed_role"])
def test_a_real_event_is_accepted(api: Api, name: str) -> None:
    assert api.send(event("api", name)).status == 201


@pytest.mark.parametrize("priority", range(10))
def test_a_priority_is_a_lane(api: Api, aws: Cloud, priority: int) -> None:
    assert api.submit(priority=priority)["lane"] == band_of(priority)
    assert [wakeup["lane"] for wakeup in aws.wakeups()] == [band_of(priority)]


def test_up_to_a_quarter_of_an_hour_the_queue_waits(api: Api, aws: Cloud) -> None:
    task = api.submit(delaySeconds=899.2)
    assert (task["state"], task["runAt"]) == ("PENDING", "2026-02-02T02:54:59.200Z")
    assert [wakeup["delay"] for wakeup in aws.wakeups()] == [900]
    assert aws.timers() == []


def test_beyond_it_a_timer_waits_and_is_early(api: Api, aws: Cloud) -> None:
    task = api.submit(runAt="2027-02-02T02:40:30+00:00", priority="low")
    (timer,) = aws.timers()
    assert timer["ScheduleExpression"] == "at(2027-02-02T02:39:00)"
    assert json.loads(timer["Target"]["Input"])["task"] == task["id"]
    assert timer["Target"]["Arn"].endswith("-low")
    assert aws.wakeups() == []


def test_a_time_in_the_past_is_now(api: Api, aws: Cloud, clock: Clock) -> None:
    task = api.submit(runAt="2020-01-01T00:00:00Z")
    assert (task["state"], task["runAt"]) == ("READY", "2026-02-02T02:40:00.000Z")


@pytest.mark.parametrize(("size", "kept"), [(100, "record"), (1000, "item"), (300_000, "object")])
def test_a_payload_is_kept_where_it_fits(api: Api, aws: Cloud, size: int, kept: str) -> None:
    payload = {"to": "a@example.com", "subject": "s", "content": "m" * size}
    answer = api("POST", "/tasks", {"type": "email", "payload": payload})
    assert answer.status == 201, answer.body
    writes = {"record": [], "item": ["dynamodb.PutItem"], "object": ["s3.PutObject"]}[kept]
    assert aws.called() == [*writes, "sqs.SendMessage", "dynamodb.PutItem"]
    assert answer.body["payload"] == payload
    aws.forget_calls()
    assert api.get(answer.body["id"])["payload"] == payload
    reads = {"record": [], "item": ["dynamodb.GetItem"], "object": ["s3.GetObject"]}[kept]
    assert aws.called() == ["dynamodb.GetItem", *reads]


def test_a_payload_above_the_limit_is_too_large(api: Api, aws: Cloud) -> None:
    answer = api("POST", "/tasks", MESSAGE | {"payload": {"message": "m" * 5_300_000}})
    assert answer.status == 413, answer.body
    assert answer.body["limit"] == 5 * 1024 * 1024
    assert aws.called() == []


def test_a_types_own_timeout_is_cut_to_what_workers_have(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_TIMEOUT_SECONDS", "25")
    assert api.submit()["timeoutSeconds"] == 15


def test_a_submit_is_counted(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.submit(priority=9, idempotencyKey="k")
    api.submit(priority=9, idempotencyKey="k")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["TaskSubmitted"], line["Lane"]) for line in lines] == [(1, "high")]
