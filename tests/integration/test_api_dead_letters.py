"""Dead letters through the API: listed, filtered, run again one by one or in bulk."""

from __future__ import annotations

from typing import Any

import pytest
from taskyard.tasks.retry import RetryPolicy

from functions.api.paging import list_cursor, list_position
from functions.core.errors import StoreUnavailable
from functions.core.states import State
from functions.core.task import Document, RunMembership, Task
from functions.store import keys
from functions.store.records import task_to_item
from tests.integration.api import Api
from tests.integration.cloud import SHARDS, TABLE, TENANT, Cloud, event
from tests.integration.conftest import START

MESSAGE = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}


def failing(**more: Any) -> dict[str, Any]:
    return {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}, "maxRetries": 0, **more}


@pytest.fixture
def dead(api: Api, aws: Cloud, clock) -> list[str]:
    """Three that are DEAD, a second apart, oldest first."""
    ids = []
    for _ in range(3):
        ids.append(api("POST", "/tasks", failing()).body["id"])
        aws.work_off()
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


def test_dead_letters_filtered_by_type_error_and_time(api: Api, dead: list[str], clock) -> None:
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
def test_filter_invalid_is_refused_with_its_field(api: Api, query: dict[str, str], field: str) -> None:
    refused = api("GET", "/dead-letters", query=query)
    assert refused.status == 422
    assert [error["field"] for error in refused.body["errors"]] == [field]


def test_retry_of_dead_letter_adds_attempts_and_records_caller(api: Api, aws: Cloud, dead: list[str]) -> None:
    again = api("POST", f"/tasks/{dead[0]}/retry", {"attempts": 2}).body
    assert again["state"] == "READY"
    assert again["maxAttempts"] == 3
    assert again["redriven"][0]["attempts"] == 2
    assert "arn:aws" in again["redriven"][0]["by"]
    aws.work_off()
    task = api("GET", f"/tasks/{dead[0]}").body
    assert task["state"] == "RETRY"
    assert [attempt["number"] for attempt in task["attempts"]] == [1, 2]


def test_retry_of_task_that_is_not_dead_is_refused(api: Api, aws: Cloud) -> None:
    task = api("POST", "/tasks", MESSAGE).body
    refused = api("POST", f"/tasks/{task['id']}/retry")
    assert (refused.status, refused.body["state"]) == (409, "READY")
    assert api("POST", "/tasks/01kge3h900nxwjw3yyr4p0tse3/retry").status == 404


def test_redrive_dry_run_changes_nothing_and_redrive_spreads_by_rate(api: Api, aws: Cloud, dead: list[str]) -> None:
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


def test_redrive_with_cursor_continues_after_limit(api: Api, aws: Cloud, dead: list[str]) -> None:
    first = api("POST", "/dead-letters/redrive", {"limit": 2, "ratePerSecond": 1}).body
    assert (first["redriven"], first["lastDue"] is not None) == (2, True)
    second = api("POST", "/dead-letters/redrive", {"limit": 2, "ratePerSecond": 1, "cursor": first["cursor"]}).body
    assert (second["redriven"], second["cursor"]) == (1, None)
    assert second["lastDue"] > first["lastDue"]


def dead_node(aws: Cloud) -> Task:
    """A node of a run that is DEAD, in the index of dead letters."""
    member = RunMembership(run="r" * 26, round=1, nodes=1, fail_fast=False, deadline_at=0, index=0, name="n")
    task = Task(
        tenant=TENANT,
        id="r" * 26 + "-0",
        type="DELAYED_MESSAGE",
        state=State.DEAD,
        created_at=START,
        available_at=START,
        timeout_seconds=30,
        retry=RetryPolicy(),
        payload=Document("{}"),
        digest="",
        membership=member,
    )
    index = {
        "deadPk": {"S": keys.dead_letter_partition(TENANT, keys.shard_of(task.id, SHARDS))},
        "deadSk": {"S": keys.time_sort_key(START, task.id)},
    }
    aws.client("dynamodb").put_item(TableName=TABLE, Item=task_to_item(task, shards=SHARDS) | index)
    return task


def test_redrive_skips_workflow_node_without_using_due_time(api: Api, aws: Cloud, dead: list[str]) -> None:
    node = dead_node(aws)
    assert api("POST", f"/tasks/{node.id}/retry").status == 409
    dry = api("POST", "/dead-letters/redrive", {"dryRun": True}).body
    assert (dry["matched"], dry["skipped"]) == (4, 1)
    done = api("POST", "/dead-letters/redrive", {}).body
    assert (done["matched"], done["redriven"], done["skipped"]) == (4, 3, 1)
    assert [task["id"] for task in api("GET", "/dead-letters").body["tasks"]] == [node.id]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ratePerSecond": 0}, "ratePerSecond"),
        ({"ratePerSecond": 0.0009}, "ratePerSecond"),
        ({"ratePerSecond": 1001}, "ratePerSecond"),
        ({"attempts": 0}, "attempts"),
        ({"limit": 1001}, "limit"),
        ({"since": "2026-02-02T00:00:00Z", "until": "2026-02-02T00:00:00Z"}, "until"),
        ({"cursor": "x"}, "cursor"),
        ({"state": "DEAD"}, "state"),
    ],
)
def test_redrive_invalid_is_refused_with_its_field(api: Api, aws: Cloud, body: dict[str, Any], field: str) -> None:
    aws.forget_calls()
    assert list(api("POST", "/dead-letters/redrive", body).fields) == [field]
    assert aws.called(audit=False) == []


def test_redrive_with_invented_cursor_is_refused(api: Api, dead: list[str]) -> None:
    page = api("GET", "/dead-letters", query={"limit": "1"}).body["cursor"]
    after, digest = list_position(page)
    assert after is not None
    mark = digest.partition(".")[2]
    for slot in ("9" * 15, "9" * 5000, "-1", "٣", ""):
        made_up = list_cursor(after, f"{slot}.{mark}")
        assert api("POST", "/dead-letters/redrive", {"cursor": made_up}).status == 422, slot
    # Before the time that the filter begins with: nothing is there, and DynamoDB is not asked for less than nothing.
    since = {"since": "2026-02-02T00:00:00Z"}
    cursor = api("GET", "/dead-letters", query={"limit": "1", **since}).body["cursor"]
    early = list_cursor("0000000000000#" + "0" * 26, list_position(cursor)[1])
    assert api("GET", "/dead-letters", query={"cursor": early, **since}).body == {"tasks": [], "cursor": None}


def test_filter_with_time_before_any_task_is_accepted(api: Api, dead: list[str]) -> None:
    assert api("GET", "/dead-letters", query={"until": "0001-01-01T00:00:00Z"}).body["tasks"] == []
    assert len(api("GET", "/dead-letters", query={"since": "0001-01-01T00:00:00Z"}).body["tasks"]) == 3


def test_redrive_counts_and_skips_task_changed_meanwhile(
    api: Api, dead: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.store.tasks import TaskStore

    write = TaskStore.redrive

    def beaten(store: TaskStore, task: Task, **how: Any) -> Any:
        if task.id == dead[0]:
            write(store, task, **how | {"by": "another"})
        return write(store, task, **how)

    monkeypatch.setattr(TaskStore, "redrive", beaten)
    done = api("POST", "/dead-letters/redrive", {}).body
    assert (done["matched"], done["redriven"], done["skipped"]) == (3, 2, 1)
    assert [entry["by"] for entry in api.get(dead[0])["redriven"]] == ["another"]


def test_redrive_with_one_refused_write_writes_others_and_finds_it_again(
    api: Api, aws: Cloud, dead: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.store.tasks import TaskStore

    write = TaskStore.redrive
    refusing = {dead[0]}

    def throttled(store: TaskStore, task: Task, **how: Any) -> Any:
        if task.id in refusing:
            raise StoreUnavailable("DynamoDB", "ThrottlingException")
        return write(store, task, **how)

    monkeypatch.setattr(TaskStore, "redrive", throttled)
    assert api("POST", "/dead-letters/redrive", {}).status == 503
    assert [task["id"] for task in api("GET", "/dead-letters").body["tasks"]] == [dead[0]]
    refusing.clear()
    assert api("POST", "/dead-letters/redrive", {}).body["redriven"] == 1
    aws.work_off()
    assert {len(api.get(each)["attempts"]) for each in dead} >= {2}


def test_redrive_with_refused_write_on_later_page_returns_cursor_to_it(
    api: Api, dead: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.api.dead_letters import dead_letters
    from functions.store.tasks import TaskStore

    monkeypatch.setattr(dead_letters, "PAGE_SIZE", 1)
    write, refused = TaskStore.redrive, []

    def throttled(store: TaskStore, task: Task, **how: Any) -> Any:
        if task.id == dead[1] and not refused:
            refused.append(task.id)
            raise StoreUnavailable("DynamoDB", "ThrottlingException")
        return write(store, task, **how)

    monkeypatch.setattr(TaskStore, "redrive", throttled)
    first = api("POST", "/dead-letters/redrive", {})
    assert first.status == 200
    assert (first.body["matched"], first.body["redriven"]) == (1, 1)
    rest = api("POST", "/dead-letters/redrive", {"cursor": first.body["cursor"]}).body
    assert (rest["matched"], rest["redriven"], rest["cursor"]) == (2, 2, None)


def test_redrive_with_far_due_times_uses_timers(api: Api, aws: Cloud, dead: list[str]) -> None:
    done = api("POST", "/dead-letters/redrive", {"ratePerSecond": 0.001}).body
    assert done["redriven"] == 3
    assert len(aws.timers()) == 2


def test_submit_repeated_after_redrive_returns_redriven_task(api: Api, aws: Cloud) -> None:
    keyed = failing(idempotencyKey="k")
    task = api("POST", "/tasks", keyed).body["id"]
    aws.work_off()
    api("POST", f"/tasks/{task}/retry", {"attempts": 1})
    again = api("POST", "/tasks", keyed)
    assert (again.status, again.body["id"], again.body["generation"]) == (200, task, 2)
    assert api("POST", "/tasks", keyed | {"priority": 1}).status == 422
    batched = api("POST", "/tasks/batch", {"tasks": [keyed]}).body["results"][0]
    assert (batched["status"], batched["task"]["id"]) == (200, task)
    aws.work_off()
    assert api.get(task)["attempt"] == 2
    assert (api("POST", "/tasks", keyed).status, api.get(task)["state"]) == (200, "DEAD")


def test_retry_of_dead_letter_with_missing_payload_shows_error_on_task(api: Api, aws: Cloud) -> None:
    """Nothing but a hand in the table or the bucket takes it before its task."""
    large = {"type": "DELAYED_MESSAGE", "payload": {"message": "m" * 1000}, "maxRetries": 0, "delaySeconds": 0}
    task = api("POST", "/tasks", large).body["id"]
    [kept] = [item for item in aws.items() if item["sk"]["S"].startswith("PAYLOAD")]
    aws.client("dynamodb").delete_item(TableName=TABLE, Key={"pk": kept["pk"], "sk": kept["sk"]})
    for _ in range(2):
        aws.work_off()
        found = api.get(task)
        assert found["state"] in ("FAILED", "DEAD")
        assert api("POST", f"/tasks/{task}/retry", {"attempts": 1}).status == 200
    assert "payload" in found["attempts"][-1]["error"]


@pytest.mark.parametrize("name", ["list_dead_letters", "redrive", "retry_task"])
def test_recorded_event_is_accepted(api: Api, dead: list[str], name: str) -> None:
    sent = event("api", name)
    if "pathParameters" in sent:
        sent["rawPath"] = sent["requestContext"]["http"]["path"] = f"/tasks/{dead[0]}/retry"
    answer = api.send(sent)
    assert answer.status == 200, answer.body
    if name == "redrive":
        assert (answer.body["matched"], answer.body["dryRun"]) == (3, True)
