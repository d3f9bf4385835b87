"""Requests that nobody means well with, over the wire: each is refused with its reason, and nothing is written.

What schemathesis makes (test_api_fuzz.py) keeps to the shape of requests; these do not.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.http_server import Response
from tests.integration.api import MESSAGE
from tests.integration.cloud import Cloud
from tests.integration.conftest import Clock
from tests.integration.door import Door

JSON = {"Content-Type": "application/json"}
ID = "0" * 26
TAKING = [
    ("POST", "/tasks"),
    ("PATCH", f"/tasks/{ID}"),
    ("POST", "/tasks/batch"),
    ("POST", "/tasks/cancel"),
    ("POST", f"/tasks/{ID}/retry"),
    ("POST", "/dead-letters/redrive"),
    ("POST", "/workflows"),
    ("POST", f"/workflows/{ID}/retry"),
    ("POST", "/schedules"),
    ("PATCH", f"/schedules/{ID}"),
    ("POST", f"/schedules/{ID}/run"),
]
"""Routes that take a body, or would lose one."""
LISTS = ["/tasks", "/dead-letters", "/workflows", "/schedules", "/notifications?state=UNDELIVERABLE"]
MEANINGLESS = [
    *("limit=abc", "limit=0", "limit=101", "limit=1e1", "limit=%D9%A1", "limit=5&limit=6", "limit=5%00", "limit=+5"),
    *("cursor=forged", "cursor=%FF%FE", f"cursor={'a' * 5000}", "bogus=1", "a[]=1"),
]
UNREADABLE = {
    "null": b"null",
    "a list": b"[1]",
    "a number": b"7",
    "a string": b'"x"',
    "broken off": b"{",
    "NaN": b'{"a":NaN}',
    "infinite": b'{"a":1e999}',
    "5,000 digits": b'{"a":' + b"9" * 5000 + b"}",
    "half a surrogate": b'{"a":"\\ud800"}',
    "latin-1": b'{"a":"\xe4"}',
    "100,000 deep": b"[" * 100_000,
    "twice": b'{"type":"A","type":"B"}',
    "twice, deep": b'{"a":[{"b":{"":1,"":2}}]}',
}


@pytest.fixture
def door(aws: Cloud, clock: Clock) -> Door:
    return Door(aws, clock)


def problem(answer: Response, status: int, slug: str) -> Any:
    document = json.loads(answer.body)
    assert (answer.status, document.get("type")) == (status, f"urn:taskyard:problem:{slug}"), document
    assert dict(answer.headers)["Content-Type"] == "application/problem+json"
    return document


def nothing_written(aws: Cloud) -> None:
    writes = ("dynamodb.PutItem", "dynamodb.UpdateItem", "sqs.", "s3.", "scheduler.", "stepfunctions.")
    assert not [name for name in aws.called(audit=False) if name.startswith(writes)]


@pytest.mark.parametrize(("method", "path"), TAKING, ids=[f"{method} {path}" for method, path in TAKING])
def test_what_cannot_be_read_is_refused_by_every_route(door: Door, aws: Cloud, method: str, path: str) -> None:
    for body in UNREADABLE.values():
        problem(door(method, path, body, JSON), 400, "malformed-body")
    problem(door(method, path, b"<a/>", {"Content-Type": "application/xml"}), 415, "unsupported-media-type")
    nothing_written(aws)


def test_of_two_values_of_a_name_neither_is_taken(door: Door) -> None:
    refused = door("POST", "/workflows", b'{"nodes":{"a":{"type":"X"},"b":{},"a":{"type":"Y"}}}', JSON)
    assert problem(refused, 400, "malformed-body")["detail"] == "the body gives 'a' twice in one object"


@pytest.mark.parametrize("path", [path for method, path in TAKING if method == "POST"])
def test_a_field_that_there_is_not_is_named_by_every_route(door: Door, aws: Cloud, path: str) -> None:
    """Also by those that take no body: it would be lost unseen."""
    answer = door("POST", path, b'{"bogus": 1}', JSON)
    assert "bogus" in [error["field"] for error in problem(answer, 422, "invalid-request")["errors"]]
    nothing_written(aws)


@pytest.mark.parametrize("path", LISTS)
def test_parameters_that_mean_nothing(door: Door, path: str) -> None:
    for query in MEANINGLESS:
        answer = door("GET", f"{path}{'&' if '?' in path else '?'}{query}")
        errors = problem(answer, 422, "invalid-request")["errors"]
        assert [error["field"] for error in errors] == [query.partition("=")[0]], query


@pytest.mark.parametrize("kind", ["task", "workflow", "schedule"])
def test_ids_that_none_can_be(door: Door, aws: Cloud, kind: str) -> None:
    for written in ("%2F", "a%2Fb", "..", f"{ID}%0A", f"{ID}%00", "é", "%C3%A9", "%FF", "I" * 26, f"{ID}-", "x" * 5000):
        problem(door("GET", f"/{kind}s/{written}"), 404, f"{kind}-not-found")
    assert aws.called() == []


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("9999-12-31T23:59:59-14:00", "5 years"),
        ("2026-02-30T00:00:00Z", "ISO 8601"),
        ("2026-02-02T00:00:00+25:00", "ISO 8601"),
        ("2026-02-02T00:00:00", "offset"),
        ("Z", "ISO 8601"),
        ("２０２６-02-02T00:00:00Z", "ISO 8601"),
        (1_770_000_000_000, "string"),
    ],
)
def test_times_that_are_none(door: Door, written: Any, said: str) -> None:
    answer = door("POST", "/tasks", json.dumps(MESSAGE | {"runAt": written}).encode(), JSON)
    (error,) = problem(answer, 422, "invalid-request")["errors"]
    assert error["field"] == "runAt"
    assert said in error["message"]


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00+14:00", "0420-10-20T14:50:29Z", "1969-12-31t23:59:59.999z"])
def test_long_ago_is_long_ago_however_long(door: Door, aws: Cloud, written: str) -> None:
    made = door(
        "POST", "/schedules", json.dumps({"rate": "1 hour", "startAt": written, "task": MESSAGE}).encode(), JSON
    )
    assert json.loads(made.body)["startAt"] == "1970-01-01T00:00:00.000Z"
    submitted = door("POST", "/tasks", json.dumps(MESSAGE | {"runAt": written}).encode(), JSON)
    assert (submitted.status, json.loads(submitted.body)["state"]) == (201, "READY")


def test_a_whole_number_may_be_written_with_a_point(door: Door) -> None:
    for path, body in (
        ("/dead-letters/redrive", {"attempts": 3.0, "limit": 10.0, "dryRun": True}),
        ("/tasks", MESSAGE | {"maxRetries": 3.0, "timeoutSeconds": 30.0, "priority": 5.0}),
        ("/workflows", {"nodes": {"a": MESSAGE | {"type": "NONE"}}, "deadlineSeconds": 60.0}),
    ):
        answer = json.loads(door("POST", path, json.dumps(body).encode(), JSON).body)
        assert [error["field"] for error in answer.get("errors", ())] in ([], ["nodes.a.type"])
    body = json.dumps({"attempts": 2.5}).encode()
    problem(door("POST", "/dead-letters/redrive", body, JSON), 422, "invalid-request")


@pytest.mark.parametrize("length", [1, 200, 201, 256])
def test_a_schedule_is_run_once_for_any_key_that_a_task_may_have(door: Door, length: int) -> None:
    made = door("POST", "/schedules", json.dumps({"rate": "1 hour", "task": MESSAGE}).encode(), JSON)
    path = f"/schedules/{json.loads(made.body)['id']}/run"
    runs = [door("POST", path, headers={"IDEMPOTENCY-KEY": "k" * length}) for _ in range(2)]
    assert [run.status for run in runs] == [201, 200]
    assert len({json.loads(run.body)["id"] for run in runs}) == 1
    assert json.loads(door("POST", path, headers={"Idempotency-Key": "k" * (length - 1) + "l"}).body)["id"] not in str(
        runs
    )


@pytest.mark.parametrize("path", ["/tasks", "/workflows", "/schedules"])
def test_keys_that_are_none(door: Door, path: str) -> None:
    bodies = {"/workflows": {"nodes": {"a": MESSAGE}}, "/schedules": {"rate": "1 hour", "task": MESSAGE}}
    for key in ("k" * 257, "k" * 300_000, "\0", "a\nb", " ", "", 7, "\u2028"):
        body = json.dumps({**bodies.get(path, MESSAGE), "idempotencyKey": key}).encode()
        errors = problem(door("POST", path, body, JSON), 422, "invalid-request")["errors"]
        assert [error["field"] for error in errors] == ["idempotencyKey"]


def test_what_is_large_is_refused_shortly(door: Door) -> None:
    """However long what was wrong is, an answer stays short."""
    for body in (
        MESSAGE | {"payload": {"message": "x" * 300_000}},
        MESSAGE | {"tags": {"k" * 300_000: "v"}},
        MESSAGE | {"x" * 300_000: 1},
        MESSAGE | {"type": "x" * 300_000},
        MESSAGE | {"dependencies": ["x" * 300_000]},
        MESSAGE | {str(at): 1 for at in range(20_000)},
    ):
        answer = door("POST", "/tasks", json.dumps(body).encode(), JSON)
        assert answer.status == 422
        assert len(answer.body) < 20_000
