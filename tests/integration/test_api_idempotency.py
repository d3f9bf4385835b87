"""The same key and body is the same task; the same key and another body is a mistake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.core.task import id_for_key
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import TABLE, TENANT, Cloud
from tests.integration.conftest import Clock

KEY = {"Idempotency-Key": "order-1001"}


def test_the_same_request_again_answers_the_same_task(api: Api, clock: Clock) -> None:
    first = api("POST", "/tasks", MESSAGE, headers=KEY)
    clock.advance(3600)
    second = api("POST", "/tasks", MESSAGE, headers=KEY)
    assert (first.status, second.status) == (201, 200)
    assert second.body == first.body
    assert second.headers["location"] == first.headers["location"]
    assert first.body["id"] == id_for_key(TENANT, "order-1001")
    assert first.body["idempotencyKey"] == "order-1001"


def test_the_task_is_answered_as_it_is_by_now(api: Api) -> None:
    task = api("POST", "/tasks", MESSAGE, headers=KEY).body
    api("DELETE", f"/tasks/{task['id']}")
    again = api("POST", "/tasks", MESSAGE, headers=KEY)
    assert (again.status, again.body["state"]) == (200, "CANCELLED")


def test_header_and_field_are_one_key(api: Api) -> None:
    first = api("POST", "/tasks", MESSAGE, headers=KEY)
    for answer in (
        api("POST", "/tasks", MESSAGE | {"idempotencyKey": "order-1001"}),
        api("POST", "/tasks", MESSAGE | {"idempotencyKey": " order-1001 "}, headers=KEY),
        api("POST", "/tasks", MESSAGE, headers={"Idempotency-Key": '  "order-1001" '}),
        api("POST", "/tasks", {"payload": MESSAGE["payload"], "task_name": "DELAYED_MESSAGE"}, headers=KEY),
    ):
        assert (answer.status, answer.body["id"]) == (200, first.body["id"])


def test_another_body_under_the_key_is_refused(api: Api) -> None:
    first = api("POST", "/tasks", MESSAGE, headers=KEY)
    answer = api("POST", "/tasks", MESSAGE | {"priority": 9}, headers=KEY)
    assert (answer.status, answer.body["type"]) == (422, "urn:taskyard:problem:idempotency-key-reused")
    assert answer.body["taskId"] == first.body["id"]


def test_a_reused_key_leaves_the_payload_of_the_first_alone(api: Api) -> None:
    first = api.submit(payload={"message": "a" * 1000}, idempotencyKey="k")
    api("POST", "/tasks", MESSAGE | {"payload": {"message": "b" * 1000}, "idempotencyKey": "k"})
    assert api.get(first["id"])["payload"] == {"message": "a" * 1000}


def test_header_and_field_must_agree(api: Api, aws: Cloud) -> None:
    answer = api("POST", "/tasks", MESSAGE | {"idempotencyKey": "other"}, headers=KEY)
    assert list(answer.fields) == ["Idempotency-Key"]
    assert aws.called(audit=False) == []


@pytest.mark.parametrize("key", ["", "   ", '""', "k" * 257, "a\x00b"])
def test_a_key_that_is_none_is_refused(api: Api, key: str) -> None:
    assert list(api("POST", "/tasks", MESSAGE, headers={"Idempotency-Key": key}).fields) == ["Idempotency-Key"]


def test_a_key_belongs_to_its_tenant(aws: Cloud, api: Api) -> None:
    ours = api("POST", "/tasks", MESSAGE, headers=KEY)
    theirs = Api(aws, account="999999999999")("POST", "/tasks", MESSAGE, headers=KEY)
    assert theirs.status == 201
    assert theirs.body["id"] != ours.body["id"]


def test_without_key_each_request_is_a_task(api: Api) -> None:
    assert api.submit()["id"] != api.submit()["id"]


def test_a_submit_that_died_before_its_record_is_finished_by_the_next(api: Api, aws: Cloud) -> None:
    """The wake-up was sent, the record was not written: the caller sends again."""
    task = api("POST", "/tasks", MESSAGE, headers=KEY).body
    aws.client("dynamodb").delete_item(
        TableName=TABLE, Key={"pk": {"S": f"TASK#{TENANT}#{task['id']}"}, "sk": {"S": "TASK"}}
    )
    assert api("POST", "/tasks", MESSAGE, headers=KEY).status == 201
    assert len({json.dumps(wakeup, sort_keys=True) for wakeup in aws.wakeups()}) == 1


RESERVED = "schedule:01kge3h90097d65j09c05awy79:2026-02-02T02:41:00.000Z"


@pytest.mark.parametrize("key", [RESERVED, f"  {RESERVED} ", f'"{RESERVED}"', "schedule:", "schedule:x:run:1"])
@pytest.mark.parametrize("path", ["/tasks", "/workflows", "/schedules", "/schedules/01kge3h90097d65j09c05awy79/run"])
def test_a_key_of_a_firing_is_refused_as_a_header(api: Api, aws: Cloud, path: str, key: str) -> None:
    body = None if path.endswith("/run") else {"rate": "1 minute", "task": MESSAGE, "nodes": [], **MESSAGE}
    fields = api("POST", path, body, headers={"Idempotency-Key": key}).fields
    assert "must not begin with schedule:" in fields["Idempotency-Key"]
    assert aws.called(audit=False) == []


@pytest.mark.parametrize("path", ["/tasks", "/workflows", "/schedules"])
def test_a_key_of_a_firing_is_refused_as_a_field(api: Api, aws: Cloud, path: str) -> None:
    fields = api("POST", path, {"idempotencyKey": RESERVED}).fields
    assert "must not begin with schedule:" in fields["idempotencyKey"]
    assert aws.called(audit=False) == []


def test_a_key_of_a_firing_is_refused_in_a_batch_and_without_http(api: Api, aws: Cloud) -> None:
    task = MESSAGE | {"idempotencyKey": RESERVED}
    (result,) = api("POST", "/tasks/batch", {"tasks": [task]}).body["results"]
    assert [error["field"] for error in result["problem"]["errors"]] == ["idempotencyKey"]
    for event in ({"submit": task}, {"submit": MESSAGE, "idempotencyKey": RESERVED}):
        answer = aws.invoke("producer", event)
        assert "must not begin with schedule:" in answer["problem"]["errors"][0]["message"]
    assert aws.called(audit=False) == []


@pytest.mark.parametrize("key", ["schedules:1", "Schedule:1", "my-schedule:1", "schedule"])
def test_other_keys_may_speak_of_schedules(api: Api, key: str) -> None:
    assert api("POST", "/tasks", MESSAGE, headers={"Idempotency-Key": key}).status == 201


@pytest.mark.parametrize(
    ("field", "headers"),
    [
        ("заказ-17", ['%"%d0%b7%d0%b0%d0%ba%d0%b0%d0%b7-17"', "заказ-17", "заказ-17".encode().decode("latin-1")]),
        ("voilà", ['%"voil%c3%a0"', '%"voil%C3%A0"', "voilà".encode().decode("latin-1")]),
        ('"', ['%"%22"', '"\\""']),
    ],
)
def test_a_key_that_is_not_ascii_is_one_key_in_every_spelling(api: Api, field: str, headers: list[str]) -> None:
    first = api("POST", "/tasks", MESSAGE | {"idempotencyKey": field})
    for header in headers:
        again = api("POST", "/tasks", MESSAGE, headers={"Idempotency-Key": header})
        assert (again.status, again.body["id"]) == (200, first.body["id"])


@pytest.mark.parametrize("key", ['%"%ff"', '%"%d0"', '%"%00"', '%""'])
def test_a_display_string_that_is_none_is_refused(api: Api, key: str) -> None:
    assert list(api("POST", "/tasks", MESSAGE, headers={"Idempotency-Key": key}).fields) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("method", "path", "first", "other"),
    [
        ("PATCH", "/tasks/{waiting}", {"priority": 9}, {"priority": 1}),
        ("POST", "/tasks/{dead}/retry", {"attempts": 2}, {"attempts": 3}),
        ("POST", "/tasks/cancel", {"type": "DELAYED_MESSAGE"}, {"type": "SEND_EMAIL"}),
        ("POST", "/dead-letters/redrive", {"ratePerSecond": 1}, {"ratePerSecond": 2}),
    ],
)
def test_a_change_under_a_key_is_made_once_and_another_under_it_is_refused(
    api: Api, aws: Cloud, method: str, path: str, first: Any, other: Any
) -> None:
    dead = api.submit(type="FAIL_SOMETIMES", payload={"probability": 1}, maxRetries=0)["id"]
    aws.work_off()
    waiting = api.submit(delaySeconds=3600)["id"]
    path = path.format(waiting=waiting, dead=dead)
    answer = api(method, path, first, headers=KEY)
    aws.work_off()
    items = aws.items(audit=False)
    again = api(method, path, first, headers=KEY)
    assert (answer.status, again.status) == (200, 200)
    assert aws.items(audit=False) == items
    refused = api(method, path, other, headers=KEY)
    assert (refused.status, refused.body["type"]) == (422, "urn:taskyard:problem:idempotency-key-reused")
    assert api(method, path, first, headers={"Idempotency-Key": "a\x00b"}).status == 422
    assert aws.items(audit=False) == items


def test_a_bulk_request_under_a_key_is_answered_alike_for_its_tenant_only(api: Api, aws: Cloud) -> None:
    ids = [api.submit(delaySeconds=3600)["id"] for _ in range(2)]
    first = api("POST", "/tasks/cancel", {"type": "DELAYED_MESSAGE"}, headers=KEY).body
    assert sorted(first["cancelled"]) == sorted(ids)
    assert api("POST", "/tasks/cancel", {"type": "DELAYED_MESSAGE"}, headers=KEY).body == first
    theirs = Api(aws, account="999999999999")("POST", "/tasks/cancel", {"type": "DELAYED_MESSAGE"}, headers=KEY)
    assert theirs.body["matched"] == 0
    assert api("POST", "/tasks/cancel", {"type": "DELAYED_MESSAGE"}).body["matched"] == 0
