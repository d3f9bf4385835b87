"""POST /tasks with dependencies: accepted when they exist, BLOCKED until they succeed, never left behind."""

from __future__ import annotations

from functions.core.settlement import Settlement, ended_attempt
from functions.core.states import State
from functions.core.task import Task, id_for_key
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment
from functions.store.tasks import Applied
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import Clock


def settled(aws: Cloud, task_id: str, state: State, now: int) -> Task:
    """As a worker would."""
    tasks = wiring.task_store(ApiEnvironment(aws.env))
    claimed = tasks.claim(TENANT, task_id, 1, now=now, lease_until=now + 60_000, holder="test")
    assert isinstance(claimed, Applied)
    done = tasks.settle(claimed.task, Settlement(state=state, attempt=ended_attempt(claimed.task, state, now=now)))
    assert isinstance(done, Applied)
    return done.task


def test_a_task_waits_for_those_that_it_names(api: Api, aws: Cloud) -> None:
    first, second = api.submit()["id"], api.submit()["id"]
    aws.forget_calls()
    task = api.submit(dependencies=[first, second, first], runAt="2026-02-02T05:00:00Z")
    assert (task["state"], task["dependencies"]) == ("BLOCKED", [first, second])
    # Looked at once, at once, whatever its time: whoever dies while linking is followed by that wake-up.
    assert [(wakeup["task"], wakeup["delay"]) for wakeup in aws.wakeups()] == [(task["id"], 0)]
    assert aws.called()[:3] == ["dynamodb.BatchGetItem", "sqs.SendMessage", "dynamodb.PutItem"]


def test_it_is_ready_once_they_have_succeeded(api: Api, aws: Cloud, clock: Clock) -> None:
    upstream = api.submit()["id"]
    settled(aws, upstream, State.SUCCESS, clock.now)
    task = api.submit(dependencies=[upstream])
    assert (task["state"], task["generation"]) == ("READY", 2)
    assert [wakeup["generation"] for wakeup in aws.wakeups() if wakeup["task"] == task["id"]] == [1, 2]


def test_it_is_skipped_when_one_has_failed(api: Api, aws: Cloud, clock: Clock) -> None:
    upstream = api.submit()["id"]
    settled(aws, upstream, State.FAILED, clock.now)
    task = api.submit(dependencies=[upstream])
    assert task["state"] == "SKIPPED"
    assert upstream in task["reason"]


def test_a_dependency_that_is_not_there_is_named(api: Api, aws: Cloud) -> None:
    there, gone = api.submit()["id"], id_for_key(TENANT, "gone")
    aws.forget_calls()
    answer = api("POST", "/tasks", MESSAGE | {"dependencies": [there, gone]})
    assert answer.status == 422
    assert answer.fields == {"dependencies": f"there is no task {gone}"}
    assert aws.called() == ["dynamodb.BatchGetItem"]


def test_another_tenants_task_is_not_there(api: Api, aws: Cloud) -> None:
    theirs = Api(aws, account="999999999999").submit()["id"]
    assert list(api("POST", "/tasks", MESSAGE | {"dependencies": [theirs]}).fields) == ["dependencies"]


def test_a_task_does_not_wait_for_itself(api: Api) -> None:
    itself = id_for_key(TENANT, "k")
    answer = api("POST", "/tasks", MESSAGE | {"dependencies": [itself], "idempotencyKey": "k"})
    assert "itself" in answer.fields["dependencies"]


def test_the_same_request_is_the_same_task_after_its_dependencies_have_expired(api: Api, aws: Cloud) -> None:
    upstream = api.submit()["id"]
    fields = {"dependencies": [upstream], "idempotencyKey": "k"}
    task = api.submit(**fields)
    aws.client("dynamodb").delete_item(
        TableName=aws.env["TABLE_NAME"], Key={"pk": {"S": f"TASK#{TENANT}#{upstream}"}, "sk": {"S": "TASK"}}
    )
    assert api("POST", "/tasks", MESSAGE | fields).body["id"] == task["id"]
    assert api("POST", "/tasks", MESSAGE | fields | {"priority": 1}).status == 422


def test_no_dependencies_are_none(api: Api) -> None:
    assert api.submit(dependencies=[])["state"] == "READY"
