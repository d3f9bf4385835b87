"""The failure desk: dead letters are listed, filtered, run again one by one or slowly; batches and bulk cancels."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api import Api
from tests.integration.cloud import Cloud
from tests.integration.workflows import work_off

MESSAGE = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}


def failing(**more: Any) -> dict[str, Any]:
    return {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}, "maxRetries": 0, **more}


@pytest.fixture
def dead(api: Api, aws: Cloud, clock) -> list[str]:
    """Three that are DEAD, a second apart, oldest first."""
    ids = []
    for _ in range(3):
        ids.append(api("POST", "/tasks", failing()).body["id"])
        work_off(aws)
        clock.advance(1)
    return ids


def test_dead_letters_are_listed_latest_first(api: Api, dead: list[str]) -> None:
    api("POST", "/tasks", MESSAGE)
    listed = api("GET", "/dead-letters").body
    assert [task["id"] for task in listed["tasks"]] == dead[::-1]
    assert listed["tasks"][0]["attempts"][-1]["errorType"] == "UnluckyError"
    page = api("GET", "/dead-letters", query={"limit": "2"}).body
    rest = api("GET", "/dead-letters", query={"limit": "2", "cursor": page["cursor"]}).body
    assert [task["id"] for task in page["tasks"] + rest["tasks"]] == dead[::-1]


def test_they_are_filtered_by_type_error_and_time(api: Api, dead: list[str], clock) -> None:
    def ids(**query: str) -> list[str]:
        return [task["id"] for task in api("GET", "/dead-letters", query=query).body["tasks"]]

    ended = api("GET", f"/tasks/{dead[1]}").body["endedAt"]
    assert ids(type="DELAYED_MESSAGE") == []
    assert ids(type="fail-sometimes", errorType="UnluckyError") == dead[::-1]
    assert ids(errorType="TimedOut") == []
    assert ids(since=ended) == [dead[2], dead[1]]
    assert ids(until=ended) == [dead[0]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"colour": "red"}, "colour"),
        ({"cursor": "x"}, "cursor"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_a_bad_filter_is_named(api: Api, query: dict[str, str], field: str) -> None:
    refused = api("GET", "/dead-letters", query=query)
    assert refused.status == 422
    assert [error["field"] for error in refused.body["errors"]] == [field]


def test_one_is_run_again_with_new_attempts_and_says_by_whom(api: Api, aws: Cloud, dead: list[str]) -> None:
    again = api("POST", f"/tasks/{dead[0]}/retry", {"attempts": 2}).body
    assert again["state"] == "READY"
    assert again["maxAttempts"] == 3
    assert again["redriven"][0]["attempts"] == 2
    assert "arn:aws" in again["redriven"][0]["by"]
    work_off(aws)
    task = api("GET", f"/tasks/{dead[0]}").body
    assert task["state"] == "RETRY"
    assert [attempt["number"] for attempt in task["attempts"]] == [1, 2]


def test_what_is_not_dead_is_not_retried(api: Api, aws: Cloud) -> None:
    task = api("POST", "/tasks", MESSAGE).body
    refused = api("POST", f"/tasks/{task['id']}/retry")
    assert (refused.status, refused.body["state"]) == (409, "READY")
    assert api("POST", "/tasks/01kge3h900nxwjw3yyr4p0tse3/retry").status == 404


def test_a_redrive_is_tried_dry_and_then_spread_by_its_rate(api: Api, aws: Cloud, dead: list[str]) -> None:
    dry = api("POST", "/dead-letters/redrive", {"dryRun": True}).body
    assert (dry["matched"], dry["redriven"]) == (3, 0)
    assert len(api("GET", "/dead-letters").body["tasks"]) == 3
    aws.forget_calls()
    done = api("POST", "/dead-letters/redrive", {"ratePerSecond": 0.1, "attempts": 1}).body
    assert (done["matched"], done["redriven"], done["skipped"]) == (3, 3, 0)
    assert sorted(call.get("DelaySeconds", 0) for call in batch_entries(aws)) == [0, 10, 20]
    assert api("GET", "/dead-letters").body["tasks"] == []
    assert {api("GET", f"/tasks/{one}").body["state"] for one in dead} == {"READY", "PENDING"}


def batch_entries(aws: Cloud) -> list[dict[str, Any]]:
    return [entry for call in aws.calls if call.name == "sqs.SendMessageBatch" for entry in call.parameters["Entries"]]


def test_a_redrive_goes_on_where_its_limit_ended_it(api: Api, aws: Cloud, dead: list[str]) -> None:
    first = api("POST", "/dead-letters/redrive", {"limit": 2, "ratePerSecond": 1}).body
    assert (first["redriven"], first["lastDue"] is not None) == (2, True)
    second = api("POST", "/dead-letters/redrive", {"limit": 2, "ratePerSecond": 1, "cursor": first["cursor"]}).body
    assert (second["redriven"], second["cursor"]) == (1, None)
    assert second["lastDue"] > first["lastDue"]


def test_a_batch_tells_each_its_own_outcome(api: Api, aws: Cloud) -> None:
    keyed = MESSAGE | {"idempotencyKey": "k"}
    aws.forget_calls()
    tasks = [MESSAGE, {"type": "NOPE"}, keyed, keyed, {"type": "SEND_EMAIL", "payload": {}}, 7]
    done = api("POST", "/tasks/batch", {"tasks": tasks})
    assert done.status == 200
    assert [result["status"] for result in done.body["results"]] in (
        [201, 422, 201, 200, 422, 422],
        [201, 422, 200, 201, 422, 422],
    )
    assert (done.body["created"], done.body["existing"], done.body["refused"]) == (2, 1, 3)
    assert aws.called().count("sqs.SendMessageBatch") == 1
    assert aws.called().count("sqs.SendMessage") == 0


def test_a_batch_of_a_hundred_costs_ten_sends_and_all_of_it_runs(api: Api, aws: Cloud) -> None:
    aws.forget_calls()
    done = api("POST", "/tasks/batch", {"tasks": [MESSAGE] * 100}).body
    assert done["created"] == 100
    assert aws.called().count("sqs.SendMessageBatch") == 10
    assert aws.called().count("dynamodb.PutItem") == 100
    work_off(aws)
    assert {api("GET", f"/tasks/{result['task']['id']}").body["state"] for result in done["results"][:5]} == {"SUCCESS"}


@pytest.mark.parametrize("body", [{}, {"tasks": []}, {"tasks": [MESSAGE] * 1001}, {"tasks": [MESSAGE], "x": 1}])
def test_what_is_no_batch_is_refused_whole(api: Api, aws: Cloud, body: dict[str, Any]) -> None:
    aws.forget_calls()
    assert api("POST", "/tasks/batch", body).status == 422
    assert aws.called() == []


def test_tasks_are_cancelled_by_filter_after_a_dry_run(api: Api, aws: Cloud) -> None:
    later = [api("POST", "/tasks", MESSAGE | {"delaySeconds": 600, "tags": {"of": "x"}}).body["id"] for _ in range(3)]
    other = api("POST", "/tasks", MESSAGE | {"delaySeconds": 600}).body["id"]
    dry = api("POST", "/tasks/cancel", {"tags": {"of": "x"}, "dryRun": True}).body
    assert sorted(dry["cancelled"]) == sorted(later)
    assert api("GET", f"/tasks/{later[0]}").body["state"] == "PENDING"
    done = api("POST", "/tasks/cancel", {"tags": {"of": "x"}, "reason": "wrong list"}).body
    assert sorted(done["cancelled"]) == sorted(later)
    task = api("GET", f"/tasks/{later[0]}").body
    assert (task["state"], task["reason"]) == ("CANCELLED", "cancelled by request: wrong list")
    assert api("GET", f"/tasks/{other}").body["state"] == "PENDING"


def test_tasks_are_cancelled_by_id_and_the_others_named(api: Api, aws: Cloud) -> None:
    ran = api("POST", "/tasks", MESSAGE).body["id"]
    work_off(aws)
    waits = api("POST", "/tasks", MESSAGE | {"delaySeconds": 600}).body["id"]
    unknown = "01kge3h900nxwjw3yyr4p0tse3"
    done = api("POST", "/tasks/cancel", {"ids": [ran, waits, unknown]}).body
    assert done["cancelled"] == [waits]
    assert {each["id"] for each in done["refused"]} == {ran, unknown}


def test_to_cancel_everything_must_be_said(api: Api) -> None:
    assert api("POST", "/tasks/cancel", {}).status == 422
    assert api("POST", "/tasks/cancel", {"dryRun": True}).status == 422
