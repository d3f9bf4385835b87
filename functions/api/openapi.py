"""/openapi.json (3.1): components from the pydantic models, operations from the table below."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from functions.api.dead_letters import requests as desk_requests
from functions.api.schedules import requests as schedule_requests
from functions.api.schedules import views as schedule_views
from functions.api.tasks import answers, listing
from functions.api.workflows import answers as workflow_answers
from functions.api.workflows import requests as workflow_requests
from functions.core.states import State
from functions.core.task_types import RegisteredType
from functions.intake import task_requests as requests
from functions.runtime import wiring

Json = dict[str, Any]

VERSION = "1.0.0"
COMPONENTS = "#/components/schemas/"
ANSWERS: tuple[type[BaseModel], ...] = (
    answers.Task,
    answers.TaskList,
    answers.BatchAnswer,
    answers.CancelAnswer,
    answers.RedriveAnswer,
    answers.NotificationList,
    answers.Stats,
    answers.Health,
    workflow_answers.WorkflowSummary,
    workflow_answers.Workflow,
    workflow_answers.WorkflowList,
    schedule_views.ScheduleAnswer,
    schedule_views.ScheduleList,
    answers.Problem,
    answers.GatewayMessage,
)
REQUESTS: tuple[tuple[type[BaseModel], Mapping[str, str]], ...] = (
    (requests.SubmitTask, requests.SUBMIT_ALIASES),
    (requests.ChangeTask, requests.CHANGE_ALIASES),
    (workflow_requests.WorkflowNode, workflow_requests.NODE_ALIASES),
    (workflow_requests.SubmitWorkflow, workflow_requests.WORKFLOW_ALIASES),
    (schedule_requests.CreateSchedule, schedule_requests.SCHEDULE_ALIASES),
    (schedule_requests.ChangeSchedule, schedule_requests.SCHEDULE_ALIASES),
    (desk_requests.RetryTask, {}),
    (desk_requests.Redrive, {}),
    (desk_requests.CancelTasks, {}),
)

EXAMPLES: Mapping[str, Json] = {
    "orchestration": {
        "type": "SEND_EMAIL",
        "payload": {
            "to": "user@example.com",
            "subject": "Welcome to Our Platform!",
            "content": "<h1>Hello John!</h1><p>Welcome to our platform. Please click the link below to activate your "
            "account:</p><a href='https://example.com/activate?token=abc123'>Activate Account</a>",
            "from": "no-reply@example.com",
        },
        "runAt": "2026-02-01T10:00:00.000Z",
        "availableAt": "2026-02-01T10:00:00.000Z",
    },
    "distributed": {
        "type": "email",
        "payload": {"to": "user@example.com", "subject": "Welcome"},
        "delaySeconds": 60,
        "retries": 3,
        "dependencies": [],
    },
    "background": {
        "type": "welcome-email",
        "payload": {
            "email": "Albert@example.com",
            "name": "Albert",
            "message": "Congratulations! Your background job system is live.",
        },
    },
    "sql": {
        "task_name": "DELAYED_MESSAGE",
        "payload": {"message": "hello"},
        "scheduled_at": "2026-02-01T10:00:00Z",
        "priority": 5,
        "max_retries": 3,
    },
}

REFUSALS = {
    400: "The body is empty, not JSON, not UTF-8, or not an object.",
    403: "The request is not signed by a known identity.",
    404: "There is no such task of this caller, or it has expired.",
    409: "The task has started or is settled (`state` says which), or others keep changing it.",
    413: "The payload is above 5 MB, or the body above what the gateway takes.",
    415: "The body is sent as something else than JSON.",
    422: "The request is not valid: `errors` names each field. Or the idempotency key belongs to another request.",
    429: "Too many requests.",
    500: "Something went wrong on our side.",
    503: "For now. The same request may be sent again.",
}
BATCH_WORDS = (
    "Each as in POST /tasks. What is wrong with one is that one's outcome: the others are accepted. They cannot "
    "depend on each other: that is a workflow."
)
KEY_SPELLINGS = (
    "1 to 256 printable characters: bare, in quotes, or, above all where they are not ASCII, as a Display String of "
    'RFC 9651: `%"na%c3%afve"`.'
)
GATEWAY = frozenset({403, 413, 429, 500, 503})
"""The gateway answers some of these itself, as plain JSON."""
ALWAYS = (403, 429, 500, 503)
TASK_HEADER = {"Location": {"description": "Path of the task.", "schema": {"type": "string"}}}


@cache
def document(timeout_limit: int) -> Json:
    """`timeout_limit`: seconds, the most that `timeoutSeconds` may be."""
    types = {kind.name: kind for kind in wiring.registry().types.values()}
    payloads = {component(kind.name): kind for kind in types.values() if kind.payload_schema is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Taskyard",
            "version": VERSION,
            "description": "Submit background tasks, watch them, change them until they start.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"sigv4": []}],
        "tags": [
            {"name": "tasks"},
            {"name": "workflows"},
            {"name": "schedules"},
            {"name": "dead letters"},
            {"name": "monitor"},
            {"name": "documentation"},
        ],
        "x-task-types": [
            {
                "name": kind.name,
                "otherNames": list(kind.names[1:]),
                "payload": {"$ref": COMPONENTS + component(kind.name)} if component(kind.name) in payloads else None,
            }
            for kind in sorted(types.values(), key=lambda kind: kind.name)
        ],
        "paths": paths(),
        "components": {
            "schemas": schemas(timeout_limit, list(types.values()), payloads),
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "name": "Authorization",
                    "in": "header",
                    "description": "AWS Signature Version 4, service execute-api.",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                }
            },
        },
    }


# -- operations


def paths() -> Json:
    from functions.api.schedules.openapi import schedule_paths
    from functions.api.workflows.openapi import workflow_paths

    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "As the field idempotencyKey; if both are given they must agree. Not with `schedule:` first. "
        + KEY_SPELLINGS,
        "schema": {"type": "string", "minLength": 1},
    }
    change_key = key | {"description": f"The same key and body again change nothing more. {KEY_SPELLINGS}"}
    submit = operation(
        "tasks",
        "submitTask",
        "Submit a task",
        {201: ok("The task, accepted.", answers.Task, TASK_HEADER), 200: ok("Submitted before.", answers.Task)},
        (400, 413, 415, 422),
        parameters=[key],
        body=requests.SubmitTask,
    )
    submit["requestBody"]["content"]["application/json"]["examples"] = {
        name: {"value": value} for name, value in EXAMPLES.items()
    }
    task = {200: ok("The task.", answers.Task)}
    change = operation(
        "tasks",
        "changeTask",
        "Move a task to another time, change its priority or payload, while it has not started",
        {200: ok("The task as it is after.", answers.Task)},
        (400, 404, 409, 413, 415, 422),
        parameters=[change_key],
        body=requests.ChangeTask,
    )
    cancelled: dict[int, Json] = {204: {"description": "It will not run."}}
    return {
        "/tasks": {
            "get": operation(
                "tasks",
                "listTasks",
                "List tasks, newest first",
                {200: ok("A page.", answers.TaskList)},
                (422,),
                parameters=list_parameters(),
            ),
            "post": submit,
        },
        "/tasks/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"$ref": f"{COMPONENTS}TaskId"}}],
            "get": operation("tasks", "getTask", "Look at a task", task, (404,)),
            "patch": change,
            "delete": operation("tasks", "cancelTask", "Cancel a task that has not started", cancelled, (404, 409)),
        },
        **desk_paths(change_key),
        **workflow_paths(key, change_key),
        **schedule_paths(key),
        "/notifications": {
            "get": operation(
                "tasks",
                "listNotifications",
                "Ends that somebody could not be told of, newest first",
                {200: ok("A page.", answers.NotificationList)},
                (422,),
                parameters=notification_parameters(),
            )
        },
        "/monitor/health": {
            "get": operation("monitor", "getHealth", "Is it alive?", {200: ok("It is.", answers.Health)}, (), open=True)
        },
        "/monitor/stats": {
            "get": operation("monitor", "getStats", "Counts, depths, age", {200: ok("Now.", answers.Stats)}, ())
        },
        "/openapi.json": {
            "get": operation(
                "documentation",
                "getOpenApi",
                "This document",
                {200: {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}},
                (),
            )
        },
        "/docs": {
            "get": operation(
                "documentation",
                "getDocs",
                "This document, as a page",
                {200: {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}},
                (),
            )
        },
    }


def notification_parameters() -> list[Json]:
    limit: Json = {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT}
    return [
        {"name": "state", "in": "query", "required": True, "schema": {"type": "string", "enum": ["UNDELIVERABLE"]}},
        {"name": "limit", "in": "query", "schema": limit},
        {
            "name": "cursor",
            "in": "query",
            "description": "Of the page before.",
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"},
        },
    ]


def desk_paths(change_key: Json) -> Json:
    """`change_key`: the parameter Idempotency-Key of what has no field for it."""
    batch = operation(
        "tasks",
        "submitBatch",
        "Submit up to 1,000 tasks, each with its own outcome",
        {200: ok("What became of each.", answers.BatchAnswer)},
        (400, 413, 415, 422),
    )
    each = {"$ref": f"{COMPONENTS}SubmitTask"}
    tasks = {"type": "array", "minItems": 1, "maxItems": 1000, "items": each}
    batch["requestBody"] = {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["tasks"],
                    "additionalProperties": False,
                    "properties": {"tasks": tasks | {"description": BATCH_WORDS}},
                },
                "examples": {"two": {"value": {"tasks": [EXAMPLES["distributed"], EXAMPLES["sql"]]}}},
            }
        },
    }
    cancel = operation(
        "tasks",
        "cancelTasks",
        "Cancel what has not started, by ids or by filter",
        {200: ok("What became of each.", answers.CancelAnswer)},
        (400, 413, 415, 422),
        parameters=[change_key],
        body=desk_requests.CancelTasks,
    )
    retry = operation(
        "dead letters",
        "retryTask",
        "Run a dead letter again, now",
        {200: ok("The task as it is after.", answers.Task)},
        (400, 404, 409, 413, 415, 422),
        parameters=[change_key],
        body=desk_requests.RetryTask,
    )
    redrive = operation(
        "dead letters",
        "redrive",
        "Run dead letters again, by filter and slowly",
        {200: ok("How many, and where to go on.", answers.RedriveAnswer)},
        (400, 413, 415, 422),
        parameters=[change_key],
        body=desk_requests.Redrive,
    )
    for optional in (retry, redrive):
        optional["requestBody"]["required"] = False
    return {
        "/tasks/batch": {"post": batch},
        "/tasks/cancel": {"post": cancel},
        "/tasks/{id}/retry": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"$ref": f"{COMPONENTS}TaskId"}}],
            "post": retry,
        },
        "/dead-letters": {
            "get": operation(
                "dead letters",
                "listDeadLetters",
                "Tasks that ended as FAILED or DEAD, the latest first",
                {200: ok("A page.", answers.TaskList)},
                (422,),
                parameters=dead_letter_parameters(),
            )
        },
        "/dead-letters/redrive": {"post": redrive},
    }


def dead_letter_parameters() -> list[Json]:
    time = {"type": "string", "format": "date-time"}
    schemas: Json = {
        "type": {"type": "string", "maxLength": listing.TYPE_LIMIT},
        "errorType": {"type": "string", "maxLength": listing.TYPE_LIMIT},
        "since": time,
        "until": time,
        "limit": {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT},
        "cursor": {"type": "string"},
    }
    words = {
        "type": "Any of the type's names.",
        "errorType": "Class of the last error, e.g. TimedOut.",
        "since": "Ended at this time or later.",
        "until": "Ended before this time.",
        "limit": "Tasks in a page, at most.",
        "cursor": "Of the page before, with the same filter.",
    }
    return [{"name": name, "in": "query", "description": words[name], "schema": schemas[name]} for name in schemas]


def operation(
    tag: str,
    name: str,
    summary: str,
    successes: Mapping[int, Json],
    refusals: Iterable[int],
    *,
    parameters: list[Json] | None = None,
    body: type[BaseModel] | None = None,
    open: bool = False,
) -> Json:
    """`open`: needs no identity."""
    statuses = sorted({*refusals, *(set(ALWAYS) - {403} if open else ALWAYS)})
    described: Json = {
        "tags": [tag],
        "operationId": name,
        "summary": summary,
        "responses": {str(status): answer for status, answer in sorted(successes.items())}
        | {str(status): refusal(status) for status in statuses},
    }
    if parameters:
        described["parameters"] = parameters
    if body is not None:
        schema = {"$ref": COMPONENTS + body.__name__}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if open:
        described["security"] = []
    return described


def ok(description: str, model: type[BaseModel], headers: Json | None = None) -> Json:
    content = {"application/json": {"schema": {"$ref": COMPONENTS + model.__name__}}}
    return {"description": description, "content": content} | ({"headers": headers} if headers else {})


def refusal(status: int) -> Json:
    content: Json = {"application/problem+json": {"schema": {"$ref": f"{COMPONENTS}Problem"}}}
    if status in GATEWAY:
        content["application/json"] = {"schema": {"$ref": f"{COMPONENTS}GatewayMessage"}}
    described: Json = {"description": REFUSALS[status], "content": content}
    if status == 503:
        described["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
    return described


def list_parameters() -> list[Json]:
    schemas: Json = {
        "state": {"type": "string", "enum": [*(str(state) for state in State), ""]},
        "type": {"type": "string", "maxLength": listing.TYPE_LIMIT},
        "limit": {"type": "integer", "minimum": 1, "maximum": listing.MAX_LIMIT, "default": listing.DEFAULT_LIMIT},
        "cursor": {"type": "string", "pattern": "^[A-Za-z0-9_-]*$"},
    }
    words = {
        "state": "As the task would read now: a PENDING task that is due is READY. Empty: all.",
        "type": "Any of the type's names.",
        "limit": "Tasks in a page, at most.",
        "cursor": "Of the page before, with the same filter.",
    }
    return [
        {"name": name, "in": "query", "description": words[name], "schema": schemas[name]}
        for name in listing.PARAMETERS
    ]


# -- components


def schemas(timeout_limit: int, types: Sequence[RegisteredType], payloads: Mapping[str, RegisteredType]) -> Json:
    from functions.api.schedules.openapi import templates_schema
    from functions.api.workflows.openapi import nodes_schema

    template = COMPONENTS + "{model}"
    models = [(model, "serialization") for model in ANSWERS] + [(model, "validation") for model, _ in REQUESTS]
    made: Json = models_json_schema(models, ref_template=template)[1]["$defs"]  # type: ignore[arg-type]
    made["TaskId"] = {"type": "string", "pattern": requests.TASK_ID}
    made["ScheduleId"] = {"type": "string", "pattern": requests.RUN_ID}
    made["WorkflowId"] = {"type": "string", "pattern": requests.RUN_ID}
    for model, aliases in REQUESTS:
        spell_out(made[model.__name__], aliases)
    submit = made["SubmitTask"]
    names = sorted(name for kind in types for name in kind.names)
    for alias in ("type", *requests.TYPE_ALIASES):
        submit["properties"][alias]["enum"] = names
    for branch in submit["properties"]["timeoutSeconds"]["anyOf"]:
        if branch["type"] == "integer":
            branch["maximum"] = timeout_limit
    nodes_schema(made, names, timeout_limit)
    templates_schema(made)
    if len(payloads) == len(types):
        # Which one depends on the type. `if` and `then` could say so, but what reads OpenAPI passes over them or fails.
        for model, _ in REQUESTS:
            if described := made[model.__name__]["properties"].get("payload"):
                described["anyOf"] = [{"$ref": COMPONENTS + name} for name in payloads]
    for name, kind in payloads.items():
        # References within the type's own schema, in the file of the task types.
        schema = json.loads(json.dumps(kind.payload_schema).replace('"#/$defs/', f'"{COMPONENTS}{name}.'))
        made |= {f"{name}.{inner}": inner_schema for inner, inner_schema in schema.pop("$defs", {}).items()}
        made[name] = schema
    for schema in made.values():
        for described in schema.get("properties", {}).values():
            # The name again, in other letters; and null, which says what leaving it out says.
            described.pop("title", None)
            if described.get("default", 0) is None:
                del described["default"]
    return dict(sorted(made.items()))


def spell_out(schema: Json, aliases: Mapping[str, str]) -> None:
    """Adds the other names of fields, each of which may be given under one name only."""
    if not aliases:
        return
    names: dict[str, list[str]] = {}
    for alias, field in aliases.items():
        schema["properties"][alias] = schema["properties"][field] | {"description": f"Another name for {field}."}
        names.setdefault(field, [field]).append(alias)
    at_odds = [pair for spelled in names.values() for pair in combinations(spelled, 2)]
    times = [*names.get("runAt", ()), "availableAt"]
    at_odds += [(delay, time) for delay in names.get("delaySeconds", ()) for time in times]
    schema["not"] = {"anyOf": [{"required": list(pair)} for pair in at_odds]}
    if "type" in names:
        schema.pop("required")
        schema["anyOf"] = [{"required": [name]} for name in names["type"]]


def component(task_type: str) -> str:
    return "Payload." + re.sub(r"[^A-Za-z0-9._-]", "_", task_type)
