"""Submitting by invoking the producer: what it is sent, what comes of its answers."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import taskyard
from botocore.exceptions import ClientError, ConnectTimeoutError
from taskyard import Backoff, Forbidden, InvalidRequest, NoEndpoint, Producer, Unavailable, Unreachable

from tests.unit.client_fake import task_document


class Lambda:
    """`answers`: what the function answers, or exceptions, in turn; the last one again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.events: list[Any] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Any:
        assert FunctionName == "producer"
        self.events.append(json.loads(Payload))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


def producer(client: Lambda) -> Producer:
    return Producer("producer", client=client, backoff=Backoff(tries=3), sleep=lambda _: None, draw=lambda: 0.5)


def refusal(code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Invoke")  # type: ignore[arg-type]


def test_producer_submit_is_one_invocation_with_a_key() -> None:
    client = Lambda({"status": 201, "task": task_document("t7")})
    task = producer(client).submit("EMAIL", {"to": "a"}, key="k", delay=5, tags={"of": "x"})
    assert task.id == "t7"
    submitted = {"type": "EMAIL", "payload": {"to": "a"}, "delaySeconds": 5, "tags": {"of": "x"}}
    assert client.events == [{"submit": submitted, "idempotencyKey": "k"}]


def test_problem_of_the_producer_is_the_error_of_the_api() -> None:
    problem = {"type": "urn:x", "status": 422, "title": "no", "errors": [{"field": "payload.to", "message": "bad"}]}
    with pytest.raises(InvalidRequest) as raised:
        producer(Lambda({"status": 422, "problem": problem})).submit("EMAIL")
    assert raised.value.errors[0]["field"] == "payload.to"


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 503, "problem": {"status": 503, "title": "for now"}},
        {"errorMessage": "Task timed out", "errorType": "Sandbox.Timedout"},
        refusal("TooManyRequestsException", 429),
        ConnectTimeoutError(endpoint_url="https://lambda"),
    ],
)
def test_temporary_failure_of_the_producer_is_retried_with_the_same_key(trouble: Any) -> None:
    client = Lambda(trouble, {"status": 200, "task": task_document("t7")})
    assert producer(client).submit("EMAIL").id == "t7"
    assert len({event["idempotencyKey"] for event in client.events}) == 1
    assert len(client.events) == 2


def test_quota_that_is_used_up_is_waited_for_as_long_as_the_producer_says() -> None:
    refused = {"status": 429, "problem": {"status": 429, "title": "used up", "retryAfterSeconds": 7}}
    client, pauses = Lambda(refused, {"status": 201, "task": task_document("t7")}), list[float]()
    waiting = Producer("producer", client=client, backoff=Backoff(base=2), sleep=pauses.append, draw=lambda: 0.5)
    assert waiting.submit("EMAIL").id == "t7"
    assert pauses == [7 + 1]


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        ({"status": 503, "problem": {"status": 503, "title": "for now"}}, Unavailable),
        ({"errorMessage": "it died"}, Unreachable),
        (refusal("AccessDeniedException", 403), Forbidden),
        (refusal("ResourceNotFoundException", 404), NoEndpoint),
    ],
)
def test_permanent_failure_of_the_producer_is_raised(trouble: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        producer(Lambda(trouble)).submit("EMAIL")


def test_producer_function_is_an_argument_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKYARD_FUNCTION", raising=False)
    with pytest.raises(NoEndpoint, match="TASKYARD_FUNCTION"):
        taskyard.submit("EMAIL")
    monkeypatch.setenv("TASKYARD_FUNCTION", "producer")
    client = Lambda({"status": 201, "task": task_document("t7")})
    monkeypatch.setattr("taskyard.producer._shared_client", lambda: client)
    assert taskyard.submit("EMAIL", {"to": "a"}, key="k", priority="high").id == "t7"
    assert client.events[0]["submit"]["priority"] == "high"
