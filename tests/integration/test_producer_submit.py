"""Submits without HTTP: the same rules, the same tasks, the same problems."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import Cloud, event
from tests.integration.conftest import Clock


def submit(aws: Cloud, body: Any, **more: Any) -> Any:
    answer = aws.invoke("producer", {"submit": body, **more})
    json.dumps(answer)
    return answer


def test_a_submit_is_a_task_like_one_over_http(api: Api, aws: Cloud) -> None:
    answer = aws.invoke("producer", event("producer", "submit"))
    assert answer["status"] == 201
    over_http = api("POST", "/tasks", event("producer", "submit")["submit"]).body
    assert answer["task"].keys() == over_http.keys()
    assert api.get(answer["task"]["id"]) == answer["task"]
    assert len(aws.wakeups()) == 2


def test_the_same_key_is_the_same_task_whichever_way_it_comes(api: Api, aws: Cloud) -> None:
    first = submit(aws, MESSAGE, idempotencyKey="k")
    assert submit(aws, MESSAGE | {"idempotencyKey": "k"})["status"] == 200
    over_http = api("POST", "/tasks", MESSAGE, headers={"idempotency-key": "k"})
    assert (over_http.status, over_http.body["id"]) == (200, first["task"]["id"])
    other = submit(aws, MESSAGE | {"priority": 9}, idempotencyKey="k")
    assert (other["status"], other["problem"]["type"]) == (422, "urn:taskyard:problem:idempotency-key-reused")


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        ({}, {}, 422),
        ({"type": "NONE"}, {}, 422),
        (MESSAGE | {"bogus": 1}, {}, 422),
        (MESSAGE | {"payload": {"message": "m" * 5_300_000}}, {}, 413),
        ("text", {}, 400),
        ([], {}, 400),
        (MESSAGE | {"payload": {"message": float("nan")}}, {}, 400),
        (MESSAGE, {"idempotencyKey": 5}, 422),
        (MESSAGE, {"tenant": "somebody else"}, 422),
    ],
)
def test_what_http_refuses_it_refuses(api: Api, aws: Cloud, body: Any, more: Any, status: int) -> None:
    answer = submit(aws, body, **more)
    assert answer["status"] == answer["problem"]["status"] == status
    if not more and status == 422:
        assert answer["problem"] == api("POST", "/tasks", body).body


def test_where_each_principal_is_a_tenant_it_takes_no_submits(
    aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH", '{"iam": {"tenantFrom": "principal"}}')
    answer = submit(aws, MESSAGE)
    assert (answer["status"], answer["problem"]["type"]) == (403, "urn:taskyard:problem:no-identity")
    assert aws.items() == []
