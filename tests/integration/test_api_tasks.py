"""GET /tasks/{id}."""

from __future__ import annotations

import pytest

from functions.core.task import id_for_key
from tests.integration.api import Api
from tests.integration.cloud import TENANT, Cloud, event
from tests.integration.conftest import Clock


def run(aws: Cloud, lane: str = "normal") -> None:
    assert aws.invoke("worker", aws.deliver(lane)) == {"batchItemFailures": []}


def test_a_task_that_ran_is_shown_with_result_and_log(api: Api, aws: Cloud) -> None:
    task = api.submit(payload={"message": "hello"})
    run(aws)
    done = api.get(task["id"])
    assert (done["state"], done["result"], done["attempt"]) == ("SUCCESS", {"message": "hello"}, 1)
    (attempt,) = done["attempts"]
    assert (attempt["number"], attempt["outcome"], attempt["log"]) == (1, "SUCCESS", ["hello"])
    assert done["startedAt"] == attempt["startedAt"]
    assert done["endedAt"] == attempt["endedAt"]


def test_attempts_that_failed_are_shown_with_their_errors(api: Api, aws: Cloud) -> None:
    task = api.submit(type="FAIL_SOMETIMES", payload={"probability": 1}, maxRetries=0)
    run(aws)
    dead = api.get(task["id"])
    assert dead["state"] == "DEAD"
    (attempt,) = dead["attempts"]
    assert attempt["errorType"] == "UnluckyError"
    assert attempt["where"].startswith("fail_sometimes.py:") or "fail_sometimes" in attempt["where"]
    assert attempt["log"]


def test_a_task_takes_one_read(api: Api, aws: Cloud) -> None:
    task = api.submit()
    aws.forget_calls()
    api.get(task["id"])
    assert aws.called() == ["dynamodb.GetItem"]


def test_a_pending_task_reads_as_ready_when_due(api: Api, clock: Clock) -> None:
    task = api.submit(delaySeconds=10)
    assert api.get(task["id"])["state"] == "PENDING"
    clock.advance(10)
    assert api.get(task["id"])["state"] == "READY"


@pytest.mark.parametrize(
    "task_id", ["x", "%00", "\0", "01KGE3H900NXWJW3YYR4P0TSE3", "01kge3h900nxwjw3yyr4p0tsei", "a" * 3000, "é" * 26]
)
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_what_no_id_can_be_is_not_found_without_asking(api: Api, aws: Cloud, method: str, task_id: str) -> None:
    answer = api(method, f"/tasks/{task_id}", {"priority": 1})
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert aws.called(audit=False) == []


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_task_that_is_not_there(api: Api, method: str) -> None:
    answer = api(method, f"/tasks/{id_for_key(TENANT, 'none')}", {"priority": 1})
    assert (answer.status, answer.body["type"]) == (404, "urn:taskyard:problem:task-not-found")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_another_tenants_task_is_not_there(api: Api, aws: Cloud, method: str) -> None:
    theirs = Api(aws, account="999999999999").submit()["id"]
    assert api(method, f"/tasks/{theirs}", {"priority": 1}).status == 404


def test_a_tenant_may_be_a_principal(api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", '{"iam": {"tenantFrom": "principal"}}')
    task = api.send(event("api", "submit_task_assumed_role")).body
    read = event("api", "get_task")
    read["rawPath"] = read["requestContext"]["http"]["path"] = f"/tasks/{task['id']}"
    assert api.send(read).status == 404
    role = event("api", "submit_task_assumed_role")["requestContext"]["authorizer"]
    read["requestContext"]["authorizer"] = role
    assert api.send(read).status == 200


@pytest.mark.parametrize("name", ["get_task", "change_task", "cancel_task"])
def test_real_events_reach_their_routes(api: Api, name: str) -> None:
    assert api.send(event("api", name)).body["type"] == "urn:taskyard:problem:task-not-found"
