"""Every route against what its schema allows and what it does not: no failure of ours, answers as they are described.

schemathesis makes the requests, which go through the gateway's code, as over the wire: always the same few, unless
FUZZ_EXAMPLES says how many for each operation.
"""

from __future__ import annotations

import json
import os
from typing import Any
from unittest import mock

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

import functions.tasks
from functions.api.openapi import document
from functions.build.task_types import discover
from functions.runtime import wiring
from tests.integration.api_cases import (
    DELAYED,
    RUN,
    SCHEDULES,
    TASKS,
    blocked_task,
    check_answer,
    operations,
    with_known_ids,
)
from tests.integration.cloud import TENANT, WORKER_TIMEOUT_SECONDS, Cloud
from tests.integration.conftest import Clock
from tests.integration.door import Door

MANY = os.environ.get("FUZZ_EXAMPLES")
EXAMPLES = settings(
    max_examples=int(MANY or 12),
    derandomize=MANY is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)


def described() -> dict[str, Any]:
    # While tests are collected, no fixture has written the file of the task types.
    with mock.patch.object(wiring, "registry", return_value=discover(functions.tasks)):
        return with_known_ids(document(WORKER_TIMEOUT_SECONDS - 10), TENANT)


schema = schemathesis.openapi.from_dict(described())


@pytest.fixture
def door(aws: Cloud, clock: Clock) -> Door:
    """Behind it is one of everything."""
    machine = {"definition": json.dumps({"StartAt": "a", "States": {"a": {"Type": "Succeed"}}})}
    for variable in ("RUN_MACHINE_ARN", "NOTIFY_MACHINE_ARN"):
        aws.client("stepfunctions").create_state_machine(
            name=aws.env[variable].rpartition(":")[2], roleArn="arn:aws:iam::123456789012:role/any", **machine
        )
    made = Door(aws, clock)

    def post(path: str, name: str, body: Any) -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": name}
        answer = made("POST", path, json.dumps(body).encode(), headers)
        assert answer.status == 201, answer.body

    for name in ("done", "dead"):
        post("/tasks", name, TASKS[name])
    aws.work_off()
    for name in ("ready", DELAYED):
        post("/tasks", name, TASKS[name])
    post("/tasks", "blocked", blocked_task(TENANT))
    post("/workflows", "run", RUN)
    for name, body in SCHEDULES.items():
        post("/schedules", name, body)
    return made


OPERATIONS = [
    pytest.param(*operation, id=f"{operation[0]} {operation[1]}{' wrong' * (operation[2] is GenerationMode.NEGATIVE)}")
    for operation in operations(schema.raw_schema)
]


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS)
def test_every_answer_is_as_described(door: Door, method: str, path: str, mode: GenerationMode) -> None:
    @EXAMPLES
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        kwargs = case.as_transport_kwargs(base_url="http://127.0.0.1")
        kwargs = {name: value for name, value in kwargs.items() if name not in ("allow_redirects", "timeout")}
        sent = requests.Request(**kwargs).prepare()
        answer = send(door, sent)
        check_answer(
            case,
            path=path,
            url=str(sent.url),
            status=answer.status_code,
            headers=answer.headers,
            answer=answer,
        )

    holds()


def send(door: Door, sent: requests.PreparedRequest) -> schemathesis.Response:
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in sent.headers.items()
    }
    answer = door(str(sent.method), str(sent.url).removeprefix("http://127.0.0.1"), body, headers)
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        found.setdefault(name.lower(), []).append(value)
    return schemathesis.Response(answer.status, found, answer.body, sent, elapsed=0.0, verify=False)
