"""What requests made of the API's description find, and what each answer to them has to be."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import schemathesis
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from functions.api.routes import ROUTES
from functions.core.task import id_for_key
from functions.intake.problems import INTERNAL, PREFIX, PROBLEM_TYPES

DELAYED = "delayed"
TASKS: dict[str, dict[str, Any]] = {
    "ready": {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "priority": 9},
    DELAYED: {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "delaySeconds": 100_000},
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
TYPES = {PREFIX + problem_type.slug for problem_type in (*PROBLEM_TYPES.values(), INTERNAL)}
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
REFUSED = openapi_checks.negative_data_rejection


def blocked_task(tenant: str) -> dict[str, Any]:
    """Waits for the delayed one."""
    return TASKS["done"] | {"dependencies": [id_for_key(tenant, DELAYED)]}


def known_ids(tenant: str) -> dict[str, list[str]]:
    """Schema of an id → ids, where the name of each of the above is its idempotency key."""
    return {
        "TaskId": [id_for_key(tenant, name) for name in (*TASKS, "blocked")],
        "WorkflowId": [id_for_key(tenant, "workflow\0run")],
        "ScheduleId": [id_for_key(tenant, f"schedule\0{name}") for name in SCHEDULES],
    }


def with_known_ids(document: Mapping[str, Any], tenant: str) -> dict[str, Any]:
    """The description with the ids that there are, and one that there is not. Without who calls, and for which tenant:
    the sender adds credentials, and tests/integration/test_api_roles.py is about the rest."""
    made: dict[str, Any] = copy.deepcopy(dict(document))
    for name, ids in known_ids(tenant).items():
        made["components"]["schemas"][name] = {"type": "string", "enum": [*ids, id_for_key(tenant, "none")]}
    del made["components"]["securitySchemes"], made["components"]["parameters"]
    for item in made["paths"].values():
        for operation in (operation for method, operation in item.items() if method != "parameters"):
            del operation["security"]
            tenant = {"$ref": "#/components/parameters/Tenant"}
            operation["parameters"] = [each for each in operation.get("parameters", ()) if each != tenant]
            if not operation["parameters"]:
                del operation["parameters"]
    return made


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, GenerationMode]]:
    """Method, path, and whether requests fit the description. Those that take nothing can be given nothing wrong."""
    for route in ROUTES:
        described = document["paths"][route.path]
        yield route.method, route.path, GenerationMode.POSITIVE
        if "parameters" in described or {"parameters", "requestBody"} & described[route.method.lower()].keys():
            yield route.method, route.path, GenerationMode.NEGATIVE


def check_answer(
    case: schemathesis.Case, *, path: str, url: str, status: int, headers: Mapping[str, Sequence[str]], answer: Any
) -> None:
    """`answer`: as schemathesis takes it. `headers`: lower-case names. Raises what says how it is not as described."""
    if list(headers.get("content-type", ())) == ["application/problem+json"]:
        problem = json.loads(answer.content)
        assert problem["type"] in TYPES
        assert problem["status"] == status
        assert problem["title"]
        assert problem["detail"]
    # Of a batch each task has its own refusal; an empty parameter counts as left out.
    empty = "" in dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)).values()
    lenient = path == "/tasks/batch" or empty
    case.validate_response(answer, checks=CHECKS if lenient else [*CHECKS, REFUSED])
