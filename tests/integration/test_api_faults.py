"""What goes wrong inside is told as a problem, without a word about the inside."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from functions.store.table import Table
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import Cloud


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "secret"}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "X")


class Broken:
    """Any call of a boto3 client fails with this."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure
        self.exceptions = type("Exceptions", (), {"ConditionalCheckFailedException": KeyboardInterrupt})

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            raise self.failure

        return call


@pytest.mark.parametrize(
    "failure", [error("ThrottlingException"), error("InternalServerError"), ConnectTimeoutError(endpoint_url="secret")]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/tasks"), ("GET", "/tasks"), ("GET", "/monitor/stats")])
def test_what_may_pass_is_503_and_says_when(
    api: Api, monkeypatch: pytest.MonkeyPatch, failure: Exception, method: str, path: str
) -> None:
    monkeypatch.setattr("functions.runtime.wiring.table", lambda _: Table(Broken(failure), "t"))
    answer = api(method, path, MESSAGE)
    assert (answer.status, answer.body["type"]) == (503, "urn:taskyard:problem:unavailable")
    assert answer.headers["retry-after"] == "2"
    assert answer.body["service"] == "DynamoDB"
    assert "secret" not in str(answer.body)


def test_what_never_passes_is_500_with_the_request_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("functions.runtime.wiring.table", lambda _: Table(Broken(error("AccessDeniedException")), "t"))
    answer = api("POST", "/tasks", MESSAGE)
    assert (answer.status, answer.body["type"]) == (500, "urn:taskyard:problem:internal-error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.body["requestId"] in answer.body["detail"]
    assert "secret" not in str(answer.body)


def test_an_event_that_is_none_is_500(aws: Cloud) -> None:
    assert aws.invoke("api", {"Records": []})["statusCode"] == 500


def test_a_refused_send_writes_no_record(api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Message before record: without the one there is not the other."""
    monkeypatch.setattr("functions.aws.queues.Queues.send", lambda *_, **__: (_ for _ in ()).throw(RuntimeError()))
    assert api("POST", "/tasks", MESSAGE).status == 500
    assert aws.items() == []
