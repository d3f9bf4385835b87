"""A firing becomes the task of its time: once, however often it comes; skipped, missed and caught up as asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.aws import clients
from functions.core.errors import StoreUnavailable
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import Cloud, event
from tests.integration.conftest import START, Clock
from tests.integration.schedules import create, fire, in_scheduler, look, tasks

MINUTE = 60_000


def path(schedule: Any) -> str:
    return f"/schedules/{schedule['id']}"


def test_a_firing_is_a_task(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api, task=MESSAGE | {"priority": "high", "tags": {"of": "schedule"}})
    clock.advance(62)
    fired = fire(aws, START + MINUTE)
    assert fired["outcome"] == "submitted"
    task = api.get(fired["task"])
    assert (task["payload"], task["lane"], task["tags"]) == (MESSAGE["payload"], "high", {"of": "schedule"})
    assert task["idempotencyKey"] == f"schedule:{made['id']}:2026-02-02T02:41:00.000Z"
    seen = look(api, made)
    assert (seen["fired"], seen["lastTaskId"]) == (1, task["id"])
    assert (seen["lastScheduledAt"], seen["lastFiredAt"]) == ("2026-02-02T02:41:00.000Z", "2026-02-02T02:41:02.000Z")


def test_a_time_that_was_not_filled_in_is_now(api: Api, aws: Cloud, clock: Clock) -> None:
    create(api)
    clock.advance(62)
    (made,) = in_scheduler(aws)
    fired = aws.invoke("firing", json.loads(made["Target"]["Input"]))
    assert (fired["outcome"], fired["task"]) == ("submitted", tasks(api)[0]["id"])
    assert fire(aws, START + MINUTE)["outcome"] == "repeated"


@pytest.mark.parametrize("overlap", ["allow", "skip"])
def test_delivered_twice_it_is_one_task(api: Api, aws: Cloud, clock: Clock, overlap: str) -> None:
    made = create(api, overlap=overlap)
    clock.advance(60)
    first = fire(aws, START + MINUTE)
    clock.advance(30)
    again = fire(aws, START + MINUTE + 17_000)
    assert (again["outcome"], again["task"]) == ("repeated", first["task"])
    assert len(tasks(api)) == look(api, made)["fired"] == 1


def test_delivered_again_after_the_next_one_it_is_still_one_task(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    clock.advance(121)
    for at in (1, 2, 1, 2):
        fire(aws, START + at * MINUTE)
    assert len(tasks(api)) == look(api, made)["fired"] == 2


@pytest.mark.parametrize("overlap", ["allow", "skip"])
def test_by_two_producers_at_once_it_is_one_task(api: Api, aws: Cloud, clock: Clock, overlap: str) -> None:
    made = create(api, overlap=overlap)
    (told,) = in_scheduler(aws)
    clock.advance(60)
    with ThreadPoolExecutor(8) as threads:
        fired = list(threads.map(lambda _: fire(aws, START + MINUTE, made=told), range(8)))
    assert {each["outcome"] for each in fired} <= {"submitted", "repeated"}
    assert len({each["task"] for each in fired}) == len(tasks(api)) == 1
    assert look(api, made)["fired"] == 1


def test_fired_with_a_template_that_was_changed_meanwhile_it_is_one_task(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    (told,) = in_scheduler(aws)
    clock.advance(60)
    first = fire(aws, START + MINUTE, made=told)
    api("PATCH", path(made), {"task": MESSAGE | {"payload": {"message": "other"}}})
    assert fire(aws, START + MINUTE, made=told)["task"] == first["task"]
    clock.advance(60)
    assert fire(aws, START + 2 * MINUTE, made=told)["outcome"] == "submitted"
    assert {task["payload"]["message"] for task in tasks(api)} == {"hello", "other"}


# -- overlap


def test_while_the_task_before_runs_a_firing_is_skipped(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api, overlap="skip")
    clock.advance(60)
    first = fire(aws, START + MINUTE)
    clock.advance(60)
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "skipped"
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "skipped"
    seen = look(api, made)
    assert (seen["fired"], seen["skipped"], seen["lastSkippedAt"]) == (1, 1, "2026-02-02T02:42:00.000Z")
    aws.invoke("worker", aws.deliver())
    assert api.get(first["task"])["state"] == "SUCCESS"
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "skipped", "what was skipped stays so"
    clock.advance(60)
    assert fire(aws, START + 3 * MINUTE)["outcome"] == "submitted"
    assert len(tasks(api)) == 2


def test_allowed_to_overlap_it_does(api: Api, aws: Cloud, clock: Clock) -> None:
    create(api)
    clock.advance(120)
    assert fire(aws, START + MINUTE)["outcome"] == fire(aws, START + 2 * MINUTE)["outcome"] == "submitted"


def test_two_times_at_once_do_not_overlap(api: Api, aws: Cloud, clock: Clock) -> None:
    create(api, overlap="skip")
    (told,) = in_scheduler(aws)
    clock.advance(120)
    with ThreadPoolExecutor(2) as threads:
        fired = list(threads.map(lambda at: fire(aws, START + at * MINUTE, made=told), (1, 2)))
    assert sorted(each["outcome"] for each in fired) == ["skipped", "submitted"]
    assert len(tasks(api)) == 1


def test_a_producer_that_died_after_its_claim_is_followed_by_itself(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api, overlap="skip")
    clock.advance(60)
    with broken(monkeypatch, "sqs", "SendMessage"), pytest.raises(StoreUnavailable):
        fire(aws, START + MINUTE)
    assert tasks(api) == []
    assert fire(aws, START + MINUTE)["outcome"] == "submitted"
    assert look(api, made)["fired"] == 1


def test_a_producer_that_follows_itself_is_not_taken_for_dead(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda tries it again after a minute, which is as long as a claim without a task is believed."""
    made = create(api, overlap="skip")
    clock.advance(60)
    for pause in (61, 1):
        with broken(monkeypatch, "sqs", "SendMessage"), pytest.raises(StoreUnavailable):
            fire(aws, START + MINUTE)
        clock.advance(pause)
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "skipped"
    assert fire(aws, START + MINUTE)["outcome"] == "submitted"
    assert (look(api, made)["fired"], len(tasks(api))) == (1, 1)


def test_a_run_that_was_asked_for_counts_as_the_one_before(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api, overlap="skip")
    assert api("POST", f"{path(made)}/run").status == 201
    clock.advance(60)
    assert fire(aws, START + MINUTE)["outcome"] == "skipped"


def test_beside_a_run_that_was_asked_for_the_one_before_still_counts(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api, overlap="skip")
    clock.advance(60)
    fired = fire(aws, START + MINUTE)
    asked = api("POST", f"{path(made)}/run").body
    assert api("DELETE", f"/tasks/{asked['id']}").status == 204
    clock.advance(60)
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "skipped"
    assert api("DELETE", f"/tasks/{fired['task']}").status == 204
    clock.advance(60)
    assert fire(aws, START + 3 * MINUTE)["outcome"] == "submitted"


# -- missed


def test_too_late_it_is_missed_and_counted(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    clock.advance(60 + 301)
    assert fire(aws, START + MINUTE)["outcome"] == "missed"
    assert fire(aws, START + MINUTE)["outcome"] == "missed"
    seen = look(api, made)
    assert (seen["missed"], seen["lastMissedAt"], seen["fired"]) == (1, "2026-02-02T02:41:00.000Z", 0)
    assert tasks(api) == []
    assert in_scheduler(aws)[0]["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == 300


def test_after_an_outage_the_last_missed_one_is_caught_up_once(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api, rate="10 minutes", catchUp="last")
    clock.advance(3600)
    # All that was not delivered comes now, in any order.
    fired = [fire(aws, START + at * 10 * MINUTE) for at in (2, 1, 3, 4, 6, 5, 6)]
    assert len({each["task"] for each in fired}) == len(tasks(api)) == 1
    seen = look(api, made)
    assert (seen["fired"], seen["lastScheduledAt"]) == (1, "2026-02-02T03:40:00.000Z")
    assert in_scheduler(aws)[0]["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == 86_400


def test_a_daily_one_is_caught_up_hours_later(api: Api, aws: Cloud, clock: Clock) -> None:
    create(api, cron="0 3 * * *", catchUp="last")
    clock.advance(6 * 3600)
    fired = fire(aws, START + 20 * MINUTE)
    assert fired["outcome"] == "submitted"
    assert api.get(fired["task"])["idempotencyKey"].endswith("2026-02-02T03:00:00.000Z")


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("last", 1)])
def test_at_a_resume(api: Api, aws: Cloud, clock: Clock, catch_up: str, count: int) -> None:
    made = create(api, catchUp=catch_up)
    clock.advance(30)
    api("PATCH", path(made), {"paused": True})
    clock.advance(86_400)
    for _ in range(2):
        assert api("PATCH", path(made), {"paused": False}).status == 200
    assert len(tasks(api)) == count
    assert api("GET", path(made)).body["fired"] == count


def test_nothing_was_missed_nothing_is_caught_up(api: Api, clock: Clock) -> None:
    made = create(api, cron="0 9 * * *", catchUp="last", paused=True)
    clock.advance(3600)
    assert api("PATCH", path(made), {"paused": False}).status == 200
    assert tasks(api) == []


# -- no more


def test_paused_over_or_not_begun_it_submits_nothing(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api, startAt="2026-02-02T02:42:00Z", endAt="2026-02-02T02:50:00Z")
    (told,) = in_scheduler(aws)
    clock.advance(60)
    assert fire(aws, START + MINUTE, made=told)["outcome"] == "dropped"
    clock.advance(540)
    assert fire(aws, START + 10 * MINUTE, made=told)["outcome"] == "dropped"
    api("PATCH", path(made), {"endAt": None, "paused": True})
    assert fire(aws, START + 10 * MINUTE, made=told)["outcome"] == "dropped"
    assert tasks(api) == []


def test_a_template_that_is_no_task_any_more_is_shown(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.core.task_types import Registry
    from functions.runtime import wiring

    made = create(api)
    monkeypatch.setattr(wiring, "registry", lambda: Registry({}))
    monkeypatch.setattr("functions.intake.services.wiring.registry", lambda: Registry({}))
    clock.advance(60)
    assert fire(aws, START + MINUTE)["outcome"] == "refused"
    seen = look(api, made)
    assert "DELAYED_MESSAGE" in seen["lastError"]
    assert seen["lastErrorAt"] == "2026-02-02T02:41:00.000Z"


# -- what crashes leave


def test_a_schedule_without_a_record_is_removed_once_no_writer_can_be_alive(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with broken(monkeypatch, "dynamodb", "PutItem"):
        assert api("POST", "/schedules", {"rate": "1 minute", "task": MESSAGE}).status == 503
    assert len(in_scheduler(aws)) == 1
    clock.advance(30)
    assert fire(aws, START)["outcome"] == "dropped"
    assert len(in_scheduler(aws)) == 1, "its request may still be about to write"
    clock.advance(60)
    assert fire(aws, START + MINUTE)["outcome"] == "dropped"
    assert in_scheduler(aws) == []


def test_the_same_request_again_finishes_what_was_begun(api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"rate": "1 minute", "task": MESSAGE, "idempotencyKey": "k"}
    with broken(monkeypatch, "dynamodb", "PutItem"):
        assert api("POST", "/schedules", body).status == 503
    assert api("POST", "/schedules", body | {"rate": "2 minutes"}).status == 201
    assert [told["ScheduleExpression"] for told in in_scheduler(aws)] == ["rate(2 minutes)"]


def test_a_delete_that_died_is_finished_by_the_next_firing(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api)
    with broken(monkeypatch, "scheduler", "DeleteSchedule"):
        assert api("DELETE", path(made)).status == 503
    assert api("GET", path(made)).status == 404
    clock.advance(120)
    assert fire(aws, START + 2 * MINUTE)["outcome"] == "dropped"
    assert (in_scheduler(aws), tasks(api)) == ([], [])


@pytest.mark.parametrize(
    ("changes", "service", "operation"),
    [
        ({"rate": "2 minutes"}, "dynamodb", "UpdateItem"),
        ({"paused": True}, "scheduler", "UpdateSchedule"),
    ],
)
def test_a_change_that_died_between_the_two_is_put_right_by_the_next_firing(
    api: Api,
    aws: Cloud,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    service: str,
    operation: str,
) -> None:
    made = create(api)
    with broken(monkeypatch, service, operation):
        assert api("PATCH", path(made), changes).status == 503
    (told,) = in_scheduler(aws)
    clock.advance(120)
    fire(aws, START + 2 * MINUTE, made=told)
    seen = look(api, made)
    (told,) = in_scheduler(aws)
    assert told["ScheduleExpression"] == seen["expression"] == "rate(1 minute)"
    assert told["State"] == ("DISABLED" if seen["paused"] else "ENABLED")
    assert len(tasks(api)) == (0 if seen["paused"] else 1)


def test_a_time_of_a_change_that_did_not_land_is_none(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api, cron="*/2 * * * *")
    with broken(monkeypatch, "dynamodb", "UpdateItem"):
        assert api("PATCH", path(made), {"cron": "* * * * *"}).status == 503
    (told,) = in_scheduler(aws)
    clock.advance(125)
    assert fire(aws, START + MINUTE, made=told)["outcome"] == "dropped"
    assert fire(aws, START + 2 * MINUTE, made=told)["outcome"] == "submitted"
    assert len(tasks(api)) == 1


def test_a_paused_schedule_that_is_gone_from_scheduler_is_made_again_when_it_is_resumed(api: Api, aws: Cloud) -> None:
    """A change that comes after the delete would leave it there for ever: it never fires."""
    made = create(api)
    (told,) = in_scheduler(aws)
    aws.client("scheduler").delete_schedule(Name=told["Name"], GroupName=told["GroupName"])
    assert api("PATCH", path(made), {"paused": True}).status == 200
    assert in_scheduler(aws) == []
    assert api("PATCH", path(made), {"paused": False}).status == 200
    assert [found["State"] for found in in_scheduler(aws)] == ["ENABLED"]


def test_a_stranger_cannot_remove_a_schedule_by_a_firing(api: Api, aws: Cloud, clock: Clock) -> None:
    made = create(api)
    forged = event("producer", "firing") | {"schedule": made["id"], "tenant": "210987654321"}
    assert aws.invoke("firing", forged)["outcome"] == "dropped"
    assert len(in_scheduler(aws)) == 1


# -- what Lambda gave up


def test_a_firing_that_failed_comes_again_from_its_queue(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(api)
    clock.advance(60)
    records = event("producer", "failed_firing")
    body = json.loads(records["Records"][0]["body"])
    body["requestPayload"]["schedule"] = made["id"]
    records["Records"][0]["body"] = json.dumps(body)
    with broken(monkeypatch, "dynamodb", "BatchGetItem"):
        assert aws.invoke("firing", records) == {
            "batchItemFailures": [{"itemIdentifier": records["Records"][0]["messageId"]}]
        }
    assert aws.invoke("firing", records) == {"batchItemFailures": []}
    assert look(api, made)["fired"] == 1


FIRING = {"schedule": "01kge3h90097d65j09c05awy79", "tenant": "123456789012", "scheduledTime": "2026-02-02T02:41:00Z"}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"schedule": 1},
        FIRING | {"scheduledTime": "yesterday"},
        FIRING | {"scheduledTime": "2026-02-02T02:41:00"},
        FIRING | {"scheduledTime": None},
        FIRING | {"schedule": "x"},
        FIRING | {"schedule": "x" * 10_000},
        FIRING | {"schedule": "../../01kge3h90097d65j09c0"},
        FIRING | {"tenant": ""},
        FIRING | {"tenant": "t" * 3000},
        FIRING | {"writtenAt": "soon"},
        FIRING | {"writtenAt": float("inf")},
        FIRING | {"writtenAt": []},
    ],
)
@pytest.mark.parametrize("door", ["firing", "producer"])
def test_what_is_no_firing_is_dropped(aws: Cloud, wrong: dict[str, Any], door: str) -> None:
    assert aws.invoke(door, wrong)["outcome"] == "dropped"
    assert aws.called() == []


@contextmanager
def broken(monkeypatch: pytest.MonkeyPatch, service: str, operation: str) -> Iterator[None]:
    """While it lasts, one operation of AWS refuses."""
    client = clients.client(service)
    call = client._make_api_call

    def refuse(asked: str, parameters: Any) -> Any:
        if asked == operation:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, asked)
        return call(asked, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(client, "_make_api_call", refuse)
        yield
