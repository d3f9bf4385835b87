"""One request is one request however it is spelled, whichever door it comes by."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from functions.intake.fingerprint import version_1_digest
from functions.intake.task_requests import Limits, parse
from functions.intake.workflow_requests import WORKFLOW_ALIASES, SubmitWorkflow, validate
from functions.runtime import wiring
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import TABLE, TENANT, Cloud
from tests.integration.conftest import Clock

KEY = {"Idempotency-Key": "k"}

TASKS: dict[str, tuple[dict[str, Any], ...]] = {
    "time": (
        {"runAt": "2026-03-01T10:00:00Z"},
        {"runAt": "2026-03-01T10:00:00.000Z"},
        {"runAt": "2026-03-01 10:00:00+00"},
        {"runAt": "2026-03-01t11:00:00,0+0100"},
        {"run_at": "20260301T100000Z"},
        {"scheduled_at": "2026-02-28T24:00:00-10:00"},
        {"availableAt": "2026-03-01T10:00:00Z"},
        {"runAt": "2026-03-01T10:00:00Z", "availableAt": "2026-03-01T09:00:00Z"},
    ),
    "delay": ({"delaySeconds": 900}, {"delaySeconds": 900.0}, {"delay_seconds": 9e2}, {"delaySeconds": 900.0001}),
    "no delay": ({}, {"delaySeconds": 0}, {"delaySeconds": 0.0}, {"delaySeconds": None}),
    "priority": ({"priority": 8}, {"priority": 8.0}, {"priority": "high"}, {"priority": "HIGH"}),
    "default priority": ({}, {"priority": 5}, {"priority": "normal"}, {"priority": None}),
    "retries": ({"maxRetries": 3}, {"max_retries": 3.0}, {"retries": 3}, {"retries": 3, "retry": {}}),
    "retry": ({"retry": {"baseSeconds": 5}}, {"retry": {"baseSeconds": 5.0, "jitter": None}}),
    "timeout": ({"timeoutSeconds": 20}, {"timeoutSeconds": 20.0}),
    "left out": (
        {},
        {"tags": {}},
        {"dependencies": []},
        {"notify": []},
        {"retry": {}},
        {"retry": None},
        {"tags": None},
    ),
    "notify": (
        {"notify": [{"email": "ada@example.com"}]},
        {"notify": [{"on": "both", "email": "ada@example.com", "webhook": None}]},
    ),
    "order of names": ({"tags": {"a": "1", "b": "2"}}, {"tags": {"b": "2", "a": "1"}}),
}


def accepted(api: Api, path: str, body: Any) -> tuple[int, Any]:
    answer = api("POST", path, body, headers=KEY)
    assert answer.status in (200, 201), answer.body
    return answer.status, answer.body["id"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_in_another_spelling_is_the_same_task(api: Api, clock: Clock, name: str) -> None:
    answers = [accepted(api, "/tasks", MESSAGE | fields) for fields in TASKS[name]]
    assert len({identity for _, identity in answers}) == 1
    assert [status for status, _ in answers] == [201] + [200] * (len(answers) - 1)


@pytest.mark.parametrize("name", TASKS)
def test_a_batch_tells_spellings_from_requests(api: Api, clock: Clock, name: str) -> None:
    tasks = [MESSAGE | fields | {"idempotencyKey": "k"} for fields in TASKS[name]]
    answer = api(
        "POST", "/tasks/batch", {"tasks": [*tasks, MESSAGE | {"tags": {"x": "y"}, "idempotencyKey": "k"}]}
    ).body
    assert (answer["created"], answer["existing"], answer["refused"]) == (1, len(tasks) - 1, 1)


@pytest.mark.parametrize("name", TASKS)
def test_without_http_a_task_in_another_spelling_is_the_same_task(
    api: Api, aws: Cloud, clock: Clock, name: str
) -> None:
    answers = [aws.invoke("producer", {"submit": MESSAGE | each, "idempotencyKey": "k"}) for each in TASKS[name]]
    assert [answer["status"] for answer in answers] == [201] + [200] * (len(answers) - 1)
    assert accepted(api, "/tasks", MESSAGE | TASKS[name][-1]) == (200, answers[0]["task"]["id"])


@pytest.mark.parametrize(
    "texts",
    [
        ('{"type": "TICK"}', '{"type": "TICK", "payload": {}}', '{"payload": {}, "task_name": "TICK"}'),
        (
            '{"type": "DELAYED_MESSAGE", "payload": {"message": "ä/"}}',
            '{"type": "DELAYED_MESSAGE", "payload": {"message": "\\u00e4\\/"}}',
            '{"t\\u0079pe":"DELAYED_MESSAGE","payload":{"message":"ä/"}}',
        ),
        ('{"type": "TICK", "payload": {"a": 900, "b": 0}}', '{"type": "TICK", "payload": {"b": -0.0, "a": 9.00e2}}'),
        ('{"type": "TICK"}', '{"type": "tock"}'),
    ],
)
def test_a_body_in_another_spelling_is_the_same_task(scene: Any, texts: tuple[str, ...]) -> None:
    scene.handle("TICK", lambda ctx, payload: None)
    scene.types["TICK"] = replace(scene.types["TICK"], names=("TICK", "tock", "DELAYED_MESSAGE"))
    api = Api(scene.aws)
    answers = [accepted(api, "/tasks", text) for text in texts]
    assert len(set(answers)) == 2


NODES = {"a": MESSAGE, "b": MESSAGE | {"dependsOn": ["a"], "priority": 8}}
WORKFLOWS: tuple[dict[str, Any], ...] = (
    {"nodes": NODES},
    {"nodes": dict(reversed(NODES.items()))},
    {"nodes": [{"name": name, **node} for name, node in NODES.items()]},
    {"nodes": [{**node, "name": name} for name, node in reversed(NODES.items())]},
    {"nodes": NODES | {"b": MESSAGE | {"depends_on": ["a", "a"], "priority": "high"}}},
    {"nodes": NODES | {"a": MESSAGE | {"dependsOn": [], "delaySeconds": 0.0, "tags": {}}}},
    {"nodes": NODES, "name": "workflow", "onFailure": "continue", "deadlineSeconds": 86400.0, "notify": []},
    {"nodes": NODES, "on_failure": None, "deadline_seconds": 86400},
)


def test_a_workflow_in_another_spelling_is_the_same_run(yard: Api) -> None:
    answers = [accepted(yard, "/workflows", body) for body in WORKFLOWS]
    assert len({identity for _, identity in answers}) == 1
    other = yard("POST", "/workflows", {"nodes": {"a": MESSAGE}}, headers=KEY)
    assert other.body["type"] == "urn:taskyard:problem:idempotency-key-reused"


def test_a_workflow_that_was_submitted_before_an_update_is_still_known() -> None:
    given = Limits(0, 50)
    body = {"nodes": [{"name": "a", **MESSAGE, "tags": None}], "on_failure": "cancel"}
    parsed = parse(SubmitWorkflow, body, WORKFLOW_ALIASES, given)
    valid = validate(parsed, [], wiring.registry(), given, "any")
    before = version_1_digest({"nodes": [{"name": "a", **MESSAGE}], "onFailure": "cancel"})
    assert valid.fingerprint.matches(before)
    assert valid.fingerprint.digest != before


SCHEDULES: tuple[tuple[dict[str, Any], ...], ...] = (
    (
        {"cron": "0 9 * * 1-5", "timezone": "UTC"},
        {"cron": " 0 9 * * MON-FRI", "overlap": "allow", "catchUp": "none", "paused": False},
        {"cron": "0 9 * * 1,2,3,4,5", "time_zone": "UTC", "startAt": None, "name": None},
    ),
    (
        {"rate": "5 minutes", "startAt": "2026-03-01T10:00:00Z"},
        {"rate": "rate(5 minutes)", "start_at": "2026-03-01 11:00:00+01"},
    ),
    (
        {"rate": "1 hour", "task": MESSAGE | {"priority": "high", "maxRetries": 2}},
        {"rate": "1 hours", "task": MESSAGE | {"priority": 8, "retries": 2.0, "tags": {}, "runAt": None}},
    ),
)


@pytest.mark.parametrize("bodies", SCHEDULES)
def test_a_schedule_in_another_spelling_is_the_same_schedule(
    api: Api, clock: Clock, bodies: tuple[dict[str, Any], ...]
) -> None:
    answers = [accepted(api, "/schedules", {"task": MESSAGE} | body) for body in bodies]
    assert len({identity for _, identity in answers}) == 1
    other = api("POST", "/schedules", {"task": MESSAGE, "rate": "7 hours"}, headers=KEY)
    assert other.body["type"] == "urn:taskyard:problem:idempotency-key-reused"


@pytest.mark.parametrize(
    ("path", "record", "body"),
    [
        ("/tasks", "TASK", MESSAGE | {"delaySeconds": 900.0}),
        ("/schedules", "SCHEDULE", {"rate": "5 minutes", "task": MESSAGE}),
    ],
)
def test_what_was_submitted_before_an_update_is_still_known(
    api: Api, aws: Cloud, clock: Clock, path: str, record: str, body: dict[str, Any]
) -> None:
    """Its record holds the digest of its spelling."""
    _, identity = accepted(api, path, body)
    key = {"pk": {"S": f"{record}#{TENANT}#{identity}"}, "sk": {"S": record}}
    aws.client("dynamodb").update_item(
        TableName=TABLE,
        Key=key,
        UpdateExpression="SET digest = :digest",
        ExpressionAttributeValues={":digest": {"S": version_1_digest(json.loads(json.dumps(body)))}},
    )
    assert accepted(api, path, body) == (200, identity)
    changed = body | ({"priority": 9} if path == "/tasks" else {"name": "other"})
    assert api("POST", path, changed, headers=KEY).body["type"] == "urn:taskyard:problem:idempotency-key-reused"
