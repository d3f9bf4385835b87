"""POST /tasks: what is refused, as problem documents, before anything is written or sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.api import MESSAGE, Answer, Api
from tests.integration.cloud import Cloud


def is_problem(answer: Answer, status: int, slug: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, answer.body["status"], answer.body["type"]) == (
        status,
        status,
        f"urn:taskyard:problem:{slug}",
    )
    assert answer.body["title"]
    assert answer.body["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "empty"),
        ("", "empty"),
        ("{", "not JSON"),
        ("[1]", "not an object"),
        (b"\xff", "UTF-8"),
        ('{"a":' * 100_000, "nested"),
        ('{"type": "\\ud800"}', "surrogate"),
        ('{"delaySeconds": 1e999}', "beyond"),
        ('{"delaySeconds": NaN}', "NaN"),
        (f'{{"delaySeconds": {"9" * 5000}}}', "digits"),
    ],
)
def test_a_body_that_cannot_be_read(api: Api, aws: Cloud, body: Any, said: str) -> None:
    answer = api("POST", "/tasks", body)
    is_problem(answer, 400, "malformed-body")
    assert said in answer.body["detail"]
    assert aws.called() == []


def test_a_body_in_base64_is_read(api: Api) -> None:
    assert api("POST", "/tasks", b'{"type": "DELAYED_MESSAGE", "payload": {"message": "h\xc3\xa4"}}').status == 201


def test_a_body_of_another_media_type(api: Api) -> None:
    answer = api("POST", "/tasks", MESSAGE, headers={"Content-Type": "text/plain"})
    is_problem(answer, 415, "unsupported-media-type")


def test_an_unknown_type_is_answered_with_the_known_ones(api: Api, aws: Cloud) -> None:
    answer = api("POST", "/tasks", {"task_name": "SEND_MAIL", "payload": {}})
    is_problem(answer, 422, "unknown-task-type")
    assert answer.body["taskType"] == "SEND_MAIL"
    assert {"SEND_EMAIL", "email", "DELAYED_MESSAGE"} <= set(answer.body["known"])
    assert aws.called() == []


def test_a_payload_that_does_not_fit_is_refused_by_path(api: Api, aws: Cloud) -> None:
    answer = api("POST", "/tasks", {"type": "email", "payload": {"to": ["a@example.com", 3], "subjekt": "x"}})
    is_problem(answer, 422, "invalid-request")
    assert answer.fields.keys() == {"payload.to[1]", "payload.subject", "payload.subjekt"}
    assert aws.called() == []


def test_a_payload_left_out_is_an_empty_one(api: Api) -> None:
    assert api("POST", "/tasks", {"type": "DELAYED_MESSAGE"}).fields == {"payload.message": "is required"}
    assert api("POST", "/tasks", {"type": "DELAYED_MESSAGE", "payload": None}).fields == {
        "payload": "must be an object"
    }


def test_everything_at_fault_is_named_as_it_was_written(api: Api) -> None:
    answer = api(
        "POST",
        "/tasks",
        {"task_name": "nope", "scheduled_at": "2026-02-02", "delay_seconds": 5, "retries": True, "prio": 1},
        headers={"Idempotency-Key": ""},
    )
    is_problem(answer, 422, "invalid-request")
    assert answer.fields.keys() == {
        "task_name",
        "scheduled_at",
        "delay_seconds",
        "retries",
        "prio",
        "Idempotency-Key",
    }
    assert "known: " in answer.fields["task_name"]


def test_a_payload_and_a_field_are_refused_together(api: Api) -> None:
    answer = api("POST", "/tasks", {"type": "DELAYED_MESSAGE", "payload": {}, "timeoutSeconds": 51})
    assert answer.fields == {
        "payload.message": "is required",
        "timeoutSeconds": "must be at most 50: workers here are cut off soon after",
    }


@pytest.mark.parametrize("text", ["\0", "\u2028", "😀", "‮abc", "x" * 9000])
def test_any_text_is_kept_as_it_is(api: Api, text: str) -> None:
    task = api.submit(payload={"message": text}, tags={"t": text[:50]})
    assert api.get(task["id"])["payload"] == {"message": text}
    assert api("GET", "/tasks").body["tasks"][0]["tags"] == {"t": text[:50]}


@pytest.mark.parametrize("kind", ["\0", "x" * 300, "😀", 7, None, [], ""])
def test_a_type_that_is_none(api: Api, kind: Any) -> None:
    assert api("POST", "/tasks", {"type": kind}).status == 422


def test_without_identity_nothing_is_accepted(api: Api, aws: Cloud) -> None:
    from tests.integration.api import request

    for method, path in (("POST", "/tasks"), ("GET", "/tasks"), ("GET", "/monitor/stats"), ("DELETE", "/tasks/x")):
        anonymous = request(method, path, MESSAGE)
        del anonymous["requestContext"]["authorizer"]
        is_problem(api.send(anonymous), 403, "no-identity")
    assert aws.called() == []


@pytest.mark.parametrize(
    ("retry", "errors"),
    [
        ({"baseSeconds": 901}, {"retry.baseSeconds": "900 here"}),
        ({"baseSeconds": 901, "strategy": "fixed"}, {"retry.baseSeconds": "900 here"}),
        ({"baseSeconds": 5, "maxSeconds": 4}, {"retry.baseSeconds": "4 here"}),
        ({"baseSeconds": 3600, "maxSeconds": 7200}, {}),
        ({"baseSeconds": 900}, {}),
        ({"maxSeconds": 1}, {}),
    ],
)
def test_retry_wait_that_would_be_cut_is_refused(api: Api, retry: Any, errors: dict[str, str]) -> None:
    task = api("POST", "/tasks", MESSAGE | {"retry": retry})
    run = api("POST", "/workflows", {"nodes": {"a": MESSAGE | {"retry": retry}, "b": {"type": "NONE"}}})
    found = task.fields if task.status == 422 else {}
    assert found.keys() == errors.keys()
    assert all(words in found[field] for field, words in errors.items())
    # The other node is wrong, so that nothing is started.
    assert run.fields.keys() - {"nodes.b.type"} == {f"nodes.a.{field}" for field in errors}
