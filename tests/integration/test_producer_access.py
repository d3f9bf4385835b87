"""Who may fire what: Scheduler alone, through the firing function, and only the times that a schedule has."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.core.errors import StoreUnavailable
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import FIRING_ARN, SCHEDULE_GROUP, Cloud, event, function_arn
from tests.integration.conftest import START, Clock
from tests.integration.schedules import create, fire, in_scheduler, look, tasks
from tests.integration.test_producer_firings import MINUTE, broken

PRODUCER_ARN = function_arn("producer")


def alarm(made: dict[str, Any], at: int) -> dict[str, Any]:
    """What Scheduler would send of the schedule for the time `at`; whoever reads the schedule can write it, too."""
    time = f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return dict(json.loads(made["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", time)))


def call_producer(aws: Cloud) -> dict[str, Any]:
    """The one schedule in Scheduler as it was made before there was a firing function."""
    (made,) = in_scheduler(aws)
    aws.client("scheduler").update_schedule(
        Name=made["Name"],
        GroupName=SCHEDULE_GROUP,
        ScheduleExpression=made["ScheduleExpression"],
        FlexibleTimeWindow=made["FlexibleTimeWindow"],
        State=made["State"],
        Target=made["Target"] | {"Arn": PRODUCER_ARN},
    )
    (made,) = in_scheduler(aws)
    assert made["Target"]["Arn"] == PRODUCER_ARN
    return made


# -- times


@pytest.mark.parametrize(
    ("fields", "at", "outcome"),
    [
        ({"cron": "0 3 * * *"}, "2026-02-02T03:00:00Z", "submitted"),
        ({"cron": "0 3 * * *"}, "2026-02-02T03:00:59Z", "submitted"),
        ({"cron": "0 3 * * *"}, "2026-02-02T03:01:00Z", "dropped"),
        ({"cron": "0 3 * * *"}, "2026-02-02T02:59:59Z", "dropped"),
        ({"cron": "0 3 * * *"}, "2026-02-03T03:00:00Z", "dropped"),
        ({"cron": "* * * * *"}, "2026-02-02T03:02:00Z", "dropped"),
        ({"cron": "* * * * *"}, "2031-02-02T03:02:00Z", "dropped"),
        ({"rate": "1 minute", "startAt": "2026-02-02T03:00:30Z"}, "2026-02-02T03:00:00Z", "dropped"),
        ({"cron": "* * * * *", "endAt": "2026-02-02T03:00:00Z"}, "2026-02-02T03:00:00Z", "dropped"),
        ({"cron": "0 3 * * *", "catchUp": "last"}, "2026-01-02T03:00:00Z", "dropped"),
        ({"cron": "* * * * *", "catchUp": "last"}, "2026-02-02T02:39:00Z", "dropped"),
        ({"cron": "* * * * *"}, "0001-01-01T00:00:00+14:00", "dropped"),
        ({"cron": "* * * * *"}, "9999-12-31T23:59:59-14:00", "dropped"),
        ({"rate": "10 minutes", "startAt": "2026-02-02T02:50:00Z"}, "2026-02-02T03:00:00Z", "submitted"),
        ({"rate": "10 minutes", "startAt": "2026-02-02T02:50:00Z"}, "2026-02-02T02:59:00Z", "dropped"),
        ({"rate": "10 minutes", "startAt": "2026-02-02T02:50:00Z"}, "2026-02-02T02:40:00Z", "dropped"),
    ],
)
def test_only_a_time_that_the_schedule_has_and_that_has_come_is_fired(
    api: Api, aws: Cloud, clock: Clock, fields: dict[str, Any], at: str, outcome: str
) -> None:
    """With the schedule's own revision: it is made of what anybody who may see the schedule knows."""
    made = create(api, **fields)
    (told,) = in_scheduler(aws)
    clock.advance(21 * 60)
    fired = aws.invoke("firing", alarm(told, 0) | {"scheduledTime": at})
    assert fired["outcome"] == outcome
    assert len(tasks(api)) == look(api, made)["fired"] == (outcome == "submitted")
    assert look(api, made)["missed"] == 0


@pytest.mark.parametrize(("behind", "outcome"), [(5, "submitted"), (6, "dropped")])
def test_a_clock_that_is_seconds_behind_loses_no_firing(
    api: Api, aws: Cloud, clock: Clock, behind: int, outcome: str
) -> None:
    create(api)
    clock.advance(60 - behind)
    assert fire(aws, START + MINUTE)["outcome"] == outcome


# -- doors


def test_whoever_may_submit_cannot_fire(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    (told,) = in_scheduler(aws)
    clock.advance(60)
    assert aws.invoke("producer", alarm(told, START + MINUTE))["outcome"] == "dropped"
    assert (tasks(api), look(api, made)["fired"]) == ([], 0)
    assert in_scheduler(aws)[0]["Target"] == told["Target"]


def test_whoever_may_submit_cannot_fire_by_what_looks_like_the_queue(api: Api, aws: Cloud, clock: Clock) -> None:
    create(api)
    (told,) = in_scheduler(aws)
    clock.advance(60)
    body = {"requestContext": {"functionArn": FIRING_ARN}, "requestPayload": alarm(told, START + MINUTE)}
    assert aws.invoke("producer", {"Records": [{"messageId": "m", "body": json.dumps(body)}]})["outcome"] == "dropped"
    assert tasks(api) == []


def test_the_firing_function_takes_no_submits(api: Api, aws: Cloud, clock: Clock) -> None:
    assert aws.invoke("firing", event("producer", "submit"))["outcome"] == "dropped"
    assert tasks(api) == []


def records(payload: Any, function: str) -> dict[str, Any]:
    """What Lambda gave up at `function`, as it puts it into the queue."""
    made = event("producer", "failed_firing")
    body = json.loads(made["Records"][0]["body"])
    body["requestPayload"] = payload
    body["requestContext"]["functionArn"] = f"{function}:$LATEST"
    made["Records"][0]["body"] = json.dumps(body)
    return made


def test_what_failed_at_the_producer_comes_again_as_what_it_was(api: Api, aws: Cloud, clock: Clock) -> None:
    create(api)
    (told,) = in_scheduler(aws)
    clock.advance(60)
    assert aws.invoke("firing", records(event("producer", "submit"), PRODUCER_ARN)) == {"batchItemFailures": []}
    assert [task["payload"]["message"] for task in tasks(api)] == ["from a script"]
    # A submitter's forged firing, which made the producer fail for some reason.
    assert aws.invoke("firing", records(alarm(told, START + MINUTE), PRODUCER_ARN)) == {"batchItemFailures": []}
    assert len(tasks(api)) == 1
    assert aws.invoke("firing", records(alarm(told, START + MINUTE), FIRING_ARN)) == {"batchItemFailures": []}
    assert len(tasks(api)) == 2


# -- schedules that were made before there was a firing function


def test_an_older_schedule_fires_once_by_the_producer_and_then_by_its_own_door(
    api: Api, aws: Cloud, clock: Clock
) -> None:
    create(api)
    told = call_producer(aws)
    clock.advance(60)
    assert aws.invoke("producer", alarm(told, START + MINUTE))["outcome"] == "submitted"
    (now,) = in_scheduler(aws)
    assert now["Target"] == told["Target"] | {"Arn": FIRING_ARN, "Input": now["Target"]["Input"]}
    clock.advance(60)
    assert aws.invoke("producer", alarm(told, START + 2 * MINUTE))["outcome"] == "dropped"
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "submitted"
    assert len(tasks(api)) == 2


def test_an_older_schedule_whose_firing_fails_is_fired_when_it_is_tried_again(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(api)
    told = call_producer(aws)
    clock.advance(60)
    with broken(monkeypatch, "sqs", "SendMessage"), pytest.raises(StoreUnavailable):
        aws.invoke("producer", alarm(told, START + MINUTE))
    assert in_scheduler(aws)[0]["Target"]["Arn"] == PRODUCER_ARN
    assert aws.invoke("firing", records(alarm(told, START + MINUTE), PRODUCER_ARN)) == {"batchItemFailures": []}
    assert len(tasks(api)) == 1
    assert in_scheduler(aws)[0]["Target"]["Arn"] == FIRING_ARN


def test_an_older_schedule_that_is_changed_leaves_the_producer(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    told = call_producer(aws)
    assert api("PATCH", f"/schedules/{made['id']}", {"task": MESSAGE}).status == 200
    assert in_scheduler(aws)[0]["Target"]["Arn"] == FIRING_ARN
    clock.advance(60)
    assert aws.invoke("producer", alarm(told, START + MINUTE))["outcome"] == "dropped"


def test_what_a_delete_left_of_an_older_schedule_is_removed(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api)
    told = call_producer(aws)
    with broken(monkeypatch, "scheduler", "DeleteSchedule"):
        assert api("DELETE", f"/schedules/{made['id']}").status == 503
    clock.advance(120)
    assert aws.invoke("producer", alarm(told, START + 2 * MINUTE))["outcome"] == "dropped"
    assert in_scheduler(aws) == []
