"""/schedules: made, shown, changed, paused, deleted, run now."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import FIRING_ARN, Cloud, event
from tests.integration.conftest import Clock
from tests.integration.schedules import create, in_scheduler, look, tasks

WEEKDAYS = {"cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin"}


def test_a_schedule_as_it_comes_from_api_gateway(api: Api, aws: Cloud) -> None:
    answer = api.send(event("api", "create_schedule"))
    assert answer.status == 201
    assert answer.headers["location"] == f"/schedules/{answer.body['id']}"
    assert answer.body["name"] == "morning report"
    assert answer.body["expression"] == "cron(0 9 ? * MON,TUE,WED,THU,FRI *)"
    assert answer.body["nextTimes"] == [f"2026-02-0{day}T08:00:00.000Z" for day in (2, 3, 4, 5, 6)]
    assert (answer.body["overlap"], answer.body["catchUp"], answer.body["paused"]) == ("skip", "last", False)
    assert look(api, answer.body) == answer.body


def test_event_bridge_scheduler_is_told(api: Api, aws: Cloud) -> None:
    made = create(api, **WEEKDAYS)
    (told,) = in_scheduler(aws)
    assert told["ScheduleExpression"] == made["expression"]
    assert told["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert told["State"] == "ENABLED"
    assert told["Target"]["Arn"] == FIRING_ARN
    fired = json.loads(told["Target"]["Input"])
    assert fired["schedule"] == made["id"]
    assert fired["scheduledTime"] == "<aws.scheduler.scheduled-time>"


def test_a_rate_counts_from_its_start_or_from_the_next_minute(api: Api, clock: Clock) -> None:
    clock.advance(17)
    assert create(api, rate="5 minutes")["nextTimes"][:2] == ["2026-02-02T02:45:00.000Z", "2026-02-02T02:50:00.000Z"]
    later = create(api, rate="1 hour", startAt="2026-02-03T10:00:00+01:00")
    assert later["nextTimes"][:2] == ["2026-02-03T09:00:00.000Z", "2026-02-03T10:00:00.000Z"]
    before = create(api, rate="1 hour", startAt="2026-02-01T10:07:00Z")
    assert before["nextTimes"][0] == "2026-02-02T03:07:00.000Z"


def test_times_end_before_the_end(api: Api) -> None:
    assert create(api, rate="1 minute", endAt="2026-02-02T02:43:00Z")["nextTimes"] == [
        "2026-02-02T02:41:00.000Z",
        "2026-02-02T02:42:00.000Z",
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": 5}, "cron"),
        ({"cron": "* * * * *", "rate": "1 minute"}, "rate"),
        ({}, "cron"),
        ({"rate": "1 fortnight"}, "rate"),
        ({"rate": "1 minute", "timezone": "Mars/Olympus"}, "timezone"),
        ({"rate": "1 minute", "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"rate": "1 minute", "endAt": "2026-01-01T00:00:00Z"}, "endAt"),
        ({"rate": "1 minute", "end_at": "2026-03-01T00:00:00Z", "startAt": "2026-04-01T00:00:00Z"}, "end_at"),
        ({"rate": "1 day", "endAt": "2026-02-02T03:00:00Z"}, "rate"),
        ({"rate": "1 minute", "overlap": "queue"}, "overlap"),
        ({"rate": "1 minute", "bogus": 1}, "bogus"),
        ({"rate": "1 minute", "name": ""}, "name"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(api: Api, aws: Cloud, fields: dict[str, Any], field: str) -> None:
    answer = api("POST", "/schedules", {"task": MESSAGE} | fields)
    assert (answer.status, set(answer.fields)) == (422, {field})
    assert in_scheduler(aws) == []


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (None, "task"),
        ({"type": "NONE"}, "task.type"),
        ({"task_name": "NONE"}, "task.task_name"),
        ({"type": "DELAYED_MESSAGE", "payload": {}}, "task.payload.message"),
        (MESSAGE | {"delay_seconds": 5}, "task.delay_seconds"),
        (MESSAGE | {"runAt": "2026-03-01T00:00:00Z"}, "task.runAt"),
        (MESSAGE | {"idempotencyKey": "k"}, "task.idempotencyKey"),
        (MESSAGE | {"dependencies": ["0" * 26]}, "task.dependencies"),
        (MESSAGE | {"priority": 10}, "task.priority"),
    ],
)
def test_a_template_is_checked_as_a_submit(api: Api, task: Any, field: str) -> None:
    answer = api("POST", "/schedules", {"rate": "1 minute"} | ({} if task is None else {"task": task}))
    assert (answer.status, set(answer.fields)) == (422, {field})


def test_a_template_that_is_too_large_is_refused(api: Api, aws: Cloud) -> None:
    answer = api("POST", "/schedules", {"rate": "1 minute", "task": MESSAGE | {"payload": {"message": "m" * 300_000}}})
    assert (answer.status, answer.body["type"]) == (413, "urn:taskyard:problem:payload-too-large")
    assert in_scheduler(aws) == []


def test_a_list_of_large_templates_fits_an_answer(api: Api) -> None:
    """Lambda answers 6 MB at most."""
    mail = {"type": "SEND_EMAIL", "payload": {"to": "a@example.com", "subject": "s", "content": "ü" * 120_000}}
    for _ in range(30):
        made = api("POST", "/schedules", {"rate": "1 day", "task": mail | {"priority": 9}}).body
    listed = api("GET", "/schedules", query={"limit": "100"})
    assert len(listed.body["schedules"]) == 30
    assert len(json.dumps(listed.body)) < 100_000
    assert {key: listed.body["schedules"][0][key] for key in ("task", "omitted")} == {
        "task": {"type": "SEND_EMAIL", "priority": 9},
        "omitted": ["task.payload"],
    }
    assert look(api, made)["task"]["payload"] == mail["payload"]


# -- idempotency


def test_the_same_key_and_body_are_one_schedule(api: Api, aws: Cloud) -> None:
    body = {"task": MESSAGE} | WEEKDAYS
    first = api("POST", "/schedules", body, headers={"idempotency-key": "k"})
    again = api("POST", "/schedules", body | {"idempotencyKey": "k"})
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert len(in_scheduler(aws)) == 1
    other = api("POST", "/schedules", body | {"cron": "0 10 * * *"}, headers={"idempotency-key": "k"})
    assert (other.status, other.body["type"]) == (422, "urn:taskyard:problem:idempotency-key-reused")
    assert other.body["scheduleId"] == first.body["id"]
    assert in_scheduler(aws)[0]["ScheduleExpression"] == first.body["expression"]


# -- changes


def test_anything_can_be_changed(api: Api, aws: Cloud) -> None:
    made = create(api, **WEEKDAYS)
    changes = {
        "name": "n",
        "rate": "2 hours",
        "time_zone": "America/New_York",
        "end_at": "2027-01-01T00:00:00Z",
        "overlap": "skip",
        "catch_up": "last",
        "task": {"task_name": "DELAYED_MESSAGE", "payload": {"message": "other"}, "priority": "high"},
    }
    answer = api("PATCH", f"/schedules/{made['id']}", changes)
    assert answer.status == 200
    assert answer.body["cron"] is None
    assert answer.body["expression"] == "rate(2 hours)"
    assert answer.body["task"] == {"type": "DELAYED_MESSAGE", "payload": {"message": "other"}, "priority": "high"}
    assert answer.body["nextTimes"][0] == "2026-02-02T04:40:00.000Z"
    (told,) = in_scheduler(aws)
    assert (told["ScheduleExpression"], told["ScheduleExpressionTimezone"]) == ("rate(2 hours)", "America/New_York")
    cleared = api("PATCH", f"/schedules/{made['id']}", {"endAt": None, "name": None}).body
    assert (cleared["endAt"], cleared["name"], cleared["rate"]) == (None, None, "2 hours")
    assert "EndDate" not in in_scheduler(aws)[0]
    assert cleared["nextTimes"] == answer.body["nextTimes"]


def test_pausing_disables_and_resuming_enables(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    paused = api("PATCH", f"/schedules/{made['id']}", {"paused": True}).body
    assert (paused["paused"], paused["nextTimes"], paused["pausedAt"]) == (True, [], "2026-02-02T02:40:00.000Z")
    assert in_scheduler(aws)[0]["State"] == "DISABLED"
    clock.advance(3600)
    resumed = api("PATCH", f"/schedules/{made['id']}", {"paused": False}).body
    assert (resumed["paused"], resumed["nextTimes"][0]) == (False, "2026-02-02T03:41:00.000Z")
    assert in_scheduler(aws)[0]["State"] == "ENABLED"
    assert tasks(api) == []


def test_a_schedule_may_begin_paused(api: Api, aws: Cloud) -> None:
    assert create(api, paused=True)["nextTimes"] == []
    assert in_scheduler(aws)[0]["State"] == "DISABLED"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "body"),
        ({"cron": "* *"}, "cron"),
        ({"cron": "* * * * *", "rate": "1 minute"}, "rate"),
        ({"task": {"type": "NONE"}}, "task.type"),
        ({"endAt": "2020-01-01T00:00:00Z"}, "endAt"),
        ({"bogus": 1}, "bogus"),
        ({"idempotencyKey": "k"}, "idempotencyKey"),
    ],
)
def test_a_wrong_change_changes_nothing(api: Api, aws: Cloud, changes: dict[str, Any], field: str) -> None:
    made = create(api, **WEEKDAYS)
    before = in_scheduler(aws)
    answer = api("PATCH", f"/schedules/{made['id']}", changes)
    assert (answer.status, set(answer.fields)) == (422, {field})
    assert look(api, made) == made
    assert [told["Target"] for told in in_scheduler(aws)] == [told["Target"] for told in before]


# -- the end


def test_deleted_it_is_gone_here_and_there_and_its_tasks_stay(api: Api, aws: Cloud) -> None:
    made = create(api)
    task = api("POST", f"/schedules/{made['id']}/run").body
    assert api("DELETE", f"/schedules/{made['id']}").status == 204
    assert in_scheduler(aws) == []
    assert api("GET", f"/schedules/{made['id']}").status == 404
    assert api("DELETE", f"/schedules/{made['id']}").status == 404
    assert api("PATCH", f"/schedules/{made['id']}", {"paused": True}).status == 404
    assert api("POST", f"/schedules/{made['id']}/run").status == 404
    assert api.get(task["id"])["id"] == task["id"]
    assert not [item for item in aws.items() if item["pk"]["S"].startswith("SCHEDULE#")]


def test_a_schedule_is_its_tenants(api: Api, aws: Cloud) -> None:
    made = create(api)
    stranger = Api(aws, account="210987654321")
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/run")):
        answer = stranger(method, f"/schedules/{made['id']}{path}", {"paused": True} if method == "PATCH" else None)
        assert (answer.status, answer.body["type"]) == (404, "urn:taskyard:problem:schedule-not-found")
    assert stranger("GET", "/schedules").body["schedules"] == []
    assert len(in_scheduler(aws)) == 1


# -- lists


def test_schedules_are_listed_newest_first_by_page(api: Api, clock: Clock) -> None:
    made = []
    for _ in range(5):
        made.append(create(api)["id"])
        clock.advance(1)
    first = api("GET", "/schedules", query={"limit": "3"}).body
    rest = api("GET", "/schedules", query={"limit": "3", "cursor": first["cursor"]}).body
    assert [each["id"] for each in (*first["schedules"], *rest["schedules"])] == made[::-1]
    assert rest["cursor"] is None
    assert all(len(each["nextTimes"]) == 5 for each in first["schedules"])
    assert api("GET", "/tasks", query={"cursor": first["cursor"]}).status == 422
    assert api("GET", "/schedules", query={"limit": "0", "state": "x"}).status == 422


# -- run now


def test_a_run_is_a_task_once_for_each_key(api: Api) -> None:
    made = create(api, paused=True)
    path = f"/schedules/{made['id']}/run"
    first = api("POST", path, headers={"idempotency-key": "k"})
    assert (first.status, first.headers["location"]) == (201, f"/tasks/{first.body['id']}")
    assert first.body["payload"] == MESSAGE["payload"]
    again = api("POST", path, headers={"idempotency-key": "k"})
    assert (again.status, again.body["id"]) == (200, first.body["id"])
    assert api("PATCH", f"/schedules/{made['id']}", {"task": MESSAGE | {"priority": 9}}).status == 200
    assert api("POST", path, headers={"idempotency-key": "k"}).body["id"] == first.body["id"]
    assert api("POST", path).body["id"] != api("POST", path).body["id"]
    assert len(tasks(api)) == 3
    seen = look(api, made)
    assert (seen["fired"], seen["lastFiredAt"]) == (3, "2026-02-02T02:40:00.000Z")


def test_requests_of_the_events_folder(api: Api) -> None:
    made = create(api)
    for name, status in (("change_schedule", 200), ("run_schedule", 201)):
        sent = event("api", name)
        sent["rawPath"] = sent["requestContext"]["http"]["path"] = sent["rawPath"].replace(
            "01kge3h90097d65j09c05awy79", made["id"]
        )
        assert api.send(sent).status == status
    assert api("GET", "/schedules/none").status == 404


def test_of_a_templates_webhooks_the_origins_are_shown(api: Api) -> None:
    task = MESSAGE | {"notify": [{"webhook": "https://hooks.example.com/s3cr3t", "on": "failure"}]}
    made = api("POST", "/schedules", {"rate": "1 day", "task": task})
    assert made.status == 201, made.body
    listed = api("GET", "/schedules").body["schedules"]
    for shown in (made.body, look(api, made.body), *listed):
        assert shown["task"]["notify"] == [{"to": "https://hooks.example.com", "on": "failure"}]
        assert "s3cr3t" not in json.dumps(shown)
