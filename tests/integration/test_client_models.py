"""The models and options of the client match the OpenAPI document of the server: the same fields and types."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from taskyard.api.audit import AuditPage, AuditRecord
from taskyard.api.dead_letters import REDRIVE_FIELDS, Redrive
from taskyard.api.monitor import Health, Lane, Stats
from taskyard.api.notifications import EmailTarget, Notification, NotificationPage, WebhookTarget
from taskyard.api.schedules.calls import SCHEDULE_FIELDS
from taskyard.api.schedules.models import Schedule, SchedulePage
from taskyard.api.tasks.batch import Outcome
from taskyard.api.tasks.bulk_cancel import CANCEL_FIELDS, Cancelled
from taskyard.api.tasks.calls import TASK_FIELDS
from taskyard.api.tasks.models import Attempt, Page, Progress, Retry, Task
from taskyard.api.workflows.calls import WORKFLOW_FIELDS
from taskyard.api.workflows.models import Node, Workflow, WorkflowPage

from tests.integration.test_api_openapi import spec

FromJson = Callable[[Mapping[str, Any]], object]

RESPONSES: list[tuple[str, FromJson, type, set[str]]] = [
    ("Task", Task.from_json, Task, {"notify", "omitted", "redriven", "workflow"}),
    ("Attempt", Attempt.from_json, Attempt, set()),
    ("Progress", Progress.from_json, Progress, set()),
    ("Retry", Retry.from_json, Retry, set()),
    ("TaskList", Page.from_json, Page, set()),
    ("RedriveAnswer", Redrive.from_json, Redrive, set()),
    ("BatchResult", lambda result: Outcome.from_json(0, {}, result), Outcome, {"index"}),
    ("CancelAnswer", Cancelled.from_json, Cancelled, set()),
    ("Notification", Notification.from_json, Notification, set()),
    ("UndeliveredNotification", Notification.from_json, Notification, set()),
    ("NotificationList", NotificationPage.from_json, NotificationPage, set()),
    (
        "ScheduleAnswer",
        Schedule.from_json,
        Schedule,
        {"createdAt", "idempotencyKey", "lastErrorAt", "omitted", "pausedAt", "updatedAt"},
    ),
    ("AuditRecord", AuditRecord.from_json, AuditRecord, set()),
    ("AuditList", AuditPage.from_json, AuditPage, set()),
    ("ScheduleList", SchedulePage.from_json, SchedulePage, set()),
    ("Workflow", Workflow.from_json, Workflow, {"cancelRequested", "notify"}),
    ("WorkflowNodeView", Node.from_json, Node, {"progress", "runAt"}),
    ("WorkflowList", WorkflowPage.from_json, WorkflowPage, set()),
    ("Stats", Stats.from_json, Stats, set()),
    ("Lane", Lane.from_json, Lane, set()),
    ("Health", Health.from_json, Health, {"environment"}),
]
"""Schema, how a model is read, the model, and the fields of the schema that a user finds only in `raw`."""

REQUESTS: list[tuple[str, set[str], set[str]]] = [
    ("SubmitTask", {name for name, _ in TASK_FIELDS.values()}, set()),
    ("SubmitWorkflow", {name for name, _ in WORKFLOW_FIELDS.values()}, {"nodes", "idempotencyKey"}),
    ("CreateSchedule", {name for name, _ in SCHEDULE_FIELDS.values()}, {"task", "workflow", "idempotencyKey"}),
    ("ChangeSchedule", {name for name, _ in SCHEDULE_FIELDS.values()}, {"task", "workflow"}),
    ("Redrive", {name for name, _ in REDRIVE_FIELDS.values()}, {"dryRun", "cursor", "limit"}),
    ("CancelTasks", {name for name, _ in CANCEL_FIELDS.values()}, {"ids", "reason", "dryRun", "cursor"}),
    ("RetryOverrides", set(Retry("fixed", 1, 1, 1).to_json()), set()),
    (
        "NotifyTarget",
        {*WebhookTarget("https://a.example", "both", "s").to_json(), *EmailTarget("a@b.example", "both").to_json()},
        set(),
    ),
]
"""Schema, the fields that options of the client become, and the fields that the client sends by other arguments."""


class ReadNames(dict[str, Any]):
    """A document that records the names that are read of it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        super().__init__(document)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)


def schemas_of_api() -> dict[str, Any]:
    schemas: dict[str, Any] = spec()["components"]["schemas"]
    return schemas


def resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value of the schema that is not null."""
    schema = resolved(schema, schemas)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return next(value for value in schema["enum"] if value is not None)
    for name in ("anyOf", "oneOf"):
        if name in schema and "properties" not in schema:
            return example(next(one for one in schema[name] if one.get("type") != "null"), schemas)
    kind = schema.get("type", "string")
    kind = next(one for one in kind if one != "null") if isinstance(kind, list) else kind
    match kind:
        case "object":
            return {name: example(one, schemas) for name, one in schema.get("properties", {}).items()}
        case "array":
            return [example(schema["items"], schemas)] if schema.get("items") else []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "2026-02-01T10:00:00.000Z" if schema.get("format") == "date-time" else "text"


def accepted_types(annotation: Any) -> tuple[type, ...]:
    """The runtime types of a type annotation."""
    origin = get_origin(annotation)
    if annotation is Any:
        return (object,)
    if origin in (Union, types.UnionType):
        return tuple(kind for one in get_args(annotation) for kind in accepted_types(one))
    if origin is Literal:
        return tuple(type(value) for value in get_args(annotation))
    if annotation is float:
        return (float, int)
    return (origin or annotation,)


@pytest.mark.parametrize(("schema", "from_json", "model", "only_raw"), RESPONSES, ids=[case[0] for case in RESPONSES])
def test_client_model_reads_the_fields_of_its_schema(
    schema: str, from_json: FromJson, model: type, only_raw: set[str]
) -> None:
    schemas = schemas_of_api()
    properties = set(schemas[schema]["properties"])
    names: set[str] = set()
    variants = [example(schemas[schema], schemas)]
    if schema == "BatchResult":
        variants = [variants[0] | {"status": status} for status in (201, 422)]
    for variant in variants:
        document = ReadNames(variant)
        from_json(document)
        names |= document.names
    if model is Notification:
        properties |= {"of", "id"}
    assert names | only_raw == properties
    assert not names & only_raw


@pytest.mark.parametrize(("schema", "from_json", "model", "only_raw"), RESPONSES, ids=[case[0] for case in RESPONSES])
def test_client_model_of_an_example_has_values_of_its_annotated_types(
    schema: str, from_json: FromJson, model: type, only_raw: set[str]
) -> None:
    schemas = schemas_of_api()
    document = example(schemas[schema], schemas)
    if schema == "BatchResult":
        document |= {"status": 201}
    instance = from_json(document)
    for name, annotation in get_type_hints(model).items():
        value = getattr(instance, name)
        assert isinstance(value, accepted_types(annotation)), (name, value)
        field = "".join(part.title() if index else part for index, part in enumerate(name.split("_")))
        if "date-time" in str(schemas[schema]["properties"].get(field, {})) and not isinstance(value, tuple):
            assert isinstance(value, datetime), name


@pytest.mark.parametrize(("schema", "option_fields", "argument_fields"), REQUESTS, ids=[case[0] for case in REQUESTS])
def test_client_options_become_fields_of_the_request_schema(
    schema: str, option_fields: set[str], argument_fields: set[str]
) -> None:
    properties = schemas_of_api()[schema]["properties"]
    assert option_fields | argument_fields <= properties.keys()
    # Every other property is another spelling of one of them.
    spellings = {
        "taskName", "task_name", "availableAt", "scheduledAt", "retries", "timeZone",
    }  # fmt: skip
    others = {name for name in properties if "_" not in name} - spellings
    assert others == option_fields | argument_fields
