"""Every route against what its schema allows and what it does not: no failure of ours, answers as they are described.

schemathesis makes the requests, which go through the gateway's code, as over the wire: always the same few, unless
FUZZ_EXAMPLES says how many for each operation.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

import functions.tasks
from functions.api.openapi import document
from functions.api.routes import ROUTES
from functions.build.task_types import discover
from functions.core.task import id_for_key
from functions.intake.problems import INTERNAL, PREFIX, PROBLEM_TYPES
from functions.runtime import wiring
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
TASKS = {
    "ready": {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "priority": 9},
    "delayed": {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "delaySeconds": 100_000},
    "blocked": {
        "type": "DELAYED_MESSAGE",
        "payload": {"message": "x"},
        "dependencies": [id_for_key(TENANT, "delayed")],
    },
    "done": {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}},
    "dead": {
        "type": "FAIL_SOMETIMES",
        "payload": {"probability": 1},
        "maxRetries": 0,
        "notify": [{"webhook": "https://h"}],
    },
}
RUN = {"nodes": {"a": TASKS["ready"], "b": TASKS["ready"] | {"dependsOn": ["a"]}}}
SCHEDULES = {
    "rate": {"rate": "5 minutes", "task": TASKS["ready"]},
    "cron": {"cron": "0 9 * * *", "timezone": "Europe/Berlin", "task": TASKS["ready"]},
    "paused": {"rate": "1 day", "task": TASKS["ready"], "paused": True, "catchUp": "last"},
}
KNOWN = {
    "TaskId": [id_for_key(TENANT, name) for name in TASKS],
    "WorkflowId": [id_for_key(TENANT, "workflow\0run")],
    "ScheduleId": [id_for_key(TENANT, f"schedule\0{name}") for name in SCHEDULES],
}
TYPES = {PREFIX + problem_type.slug for problem_type in (*PROBLEM_TYPES.values(), INTERNAL)}
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
REFUSED = openapi_checks.negative_data_rejection


def described() -> dict[str, Any]:
    """With the ids that there are, and one that there is not. Who calls, and for which tenant, is the business of
    tests/integration/test_api_roles.py."""
    # While tests are collected, no fixture has written the file of the task types.
    with mock.patch.object(wiring, "registry", return_value=discover(functions.tasks)):
        made = copy.deepcopy(document(WORKER_TIMEOUT_SECONDS - 10))
    for name, ids in KNOWN.items():
        made["components"]["schemas"][name] = {"type": "string", "enum": [*ids, id_for_key(TENANT, "none")]}
    del made["components"]["securitySchemes"], made["components"]["parameters"]
    for item in made["paths"].values():
        for operation in (operation for method, operation in item.items() if method != "parameters"):
            del operation["security"]
            tenant = {"$ref": "#/components/parameters/Tenant"}
            operation["parameters"] = [each for each in operation.get("parameters", ()) if each != tenant]
            if not operation["parameters"]:
                del operation["parameters"]
    return made


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
    for name in ("ready", "delayed", "blocked"):
        post("/tasks", name, TASKS[name])
    post("/workflows", "run", RUN)
    for name, body in SCHEDULES.items():
        post("/schedules", name, body)
    return made


def operations() -> Iterator[Any]:
    """Those that take nothing can be given nothing wrong."""
    for route in ROUTES:
        method, path = route.method, route.path
        described = schema.raw_schema["paths"][path]
        yield pytest.param(method, path, GenerationMode.POSITIVE, id=f"{method} {path}")
        if "parameters" in described or {"parameters", "requestBody"} & described[method.lower()].keys():
            yield pytest.param(method, path, GenerationMode.NEGATIVE, id=f"{method} {path} wrong")


@pytest.mark.parametrize(("method", "path", "mode"), list(operations()))
def test_every_answer_is_as_described(door: Door, method: str, path: str, mode: GenerationMode) -> None:
    @EXAMPLES
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        kwargs = case.as_transport_kwargs(base_url="http://127.0.0.1")
        kwargs = {name: value for name, value in kwargs.items() if name not in ("allow_redirects", "timeout")}
        sent = requests.Request(**kwargs).prepare()
        answer = send(door, sent)
        if answer.headers.get("content-type") == ["application/problem+json"]:
            problem = json.loads(answer.content)
            assert problem["type"] in TYPES
            assert problem["status"] == answer.status_code
            assert problem["title"]
            assert problem["detail"]
        # Of a batch each task has its own refusal; an empty parameter counts as left out.
        empty = "" in dict(parse_qsl(urlsplit(str(sent.url)).query, keep_blank_values=True)).values()
        lenient = path == "/tasks/batch" or empty
        case.validate_response(answer, checks=CHECKS if lenient else [*CHECKS, REFUSED])

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
