"""What callers send about schedules, as pydantic models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from functions.core.schedules.cron import parse_cron
from functions.core.schedules.recurrence import InvalidExpression, parse_rate, parse_zone
from functions.intake.task_requests import (
    SUBMIT_ALIASES,
    Instant,
    Request,
    SubmitTask,
    validate_idempotency_key,
    validation_error,
)
from functions.intake.workflow_requests import NODE_ALIASES, WORKFLOW_ALIASES, SubmitWorkflow

SCHEDULE_ALIASES = {
    "time_zone": "timezone",
    "timeZone": "timezone",
    "start_at": "startAt",
    "end_at": "endAt",
    "catch_up": "catchUp",
}
NOT_IN_TEMPLATES = ("runAt", "availableAt", "delaySeconds", "idempotencyKey", "dependencies")
"""What of a submit a schedule decides itself, or what cannot be said for more than one task."""
NOT_IN_WORKFLOW_TEMPLATES = ("idempotencyKey",)
NOT_IN_NODE_TEMPLATES = ("runAt", "availableAt")
"""A delay of a node is counted from the firing; a time would be the same for each run."""
TEMPLATE_LIMIT_BYTES = 256 * 1024
"""A task template is in the schedule's record; DynamoDB takes items of 400 KB."""


def read_by(parse: Callable[[str], object]) -> AfterValidator:
    """Stands behind the bounds of a field: what is too long is never parsed."""

    def check(value: str) -> str:
        try:
            parse(value)
        except InvalidExpression as bad:
            raise validation_error(str(bad)) from None
        return value.strip()

    return AfterValidator(check)


Cron = Annotated[str, StringConstraints(min_length=1, max_length=256), read_by(parse_cron)]
Rate = Annotated[str, StringConstraints(min_length=1, max_length=64), read_by(parse_rate)]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=50), read_by(parse_zone)]
Template = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
"""complete_schema describes it."""
TASK_DESCRIPTION = "As in POST /tasks, without times, idempotency key and dependencies. Or give workflow."
WORKFLOW_DESCRIPTION = "As in POST /workflows, without idempotency key and times of nodes. Or give task."


class ScheduleFields(Request):
    aliases: ClassVar[Mapping[str, str]] = SCHEDULE_ALIASES

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(
        None, description="For people; it need not be unique."
    )
    cron: Cron | None = Field(
        None,
        description="Five fields as in Unix, `0 9 * * MON-FRI`, or AWS's six, `cron(0 9 ? * MON-FRI *)`. Or give rate.",
        examples=["0 9 * * MON-FRI"],
    )
    rate: Rate | None = Field(
        None, description="Minutes, hours or days of elapsed time, `5 minutes`. Or give cron.", examples=["5 minutes"]
    )
    timezone: Zone | None = Field(
        None,
        description="In which cron is meant: an IANA name. Left out: UTC. Times that its clocks skip are skipped, of "
        "those that they repeat the first one counts.",
        examples=["Europe/Berlin"],
    )
    start_at: Instant | None = Field(None, description="Nothing before this time; a rate's first time.")
    end_at: Instant | None = Field(None, description="Nothing at this time or later.")
    paused: bool | None = Field(None, description="Nothing is submitted while it is.")
    overlap: Literal["allow", "skip"] | None = Field(
        None,
        description="`skip`: nothing is submitted while the task or workflow before has not ended. Left out: allow.",
    )
    catch_up: Literal["none", "last"] | None = Field(
        None,
        description="What was missed, by an outage or while paused: `last` submits the last of it once. "
        "Left out: none.",
    )

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        """cron or rate, task or workflow: not both."""
        schema["not"]["anyOf"] += [{"required": ["cron", "rate"]}, {"required": ["task", "workflow"]}]


class CreateSchedule(ScheduleFields):
    """A task or a workflow to submit again and again."""

    idempotency_key: Annotated[str, AfterValidator(validate_idempotency_key)] | None = Field(
        None,
        description="The same key and body again answer the same schedule. The header Idempotency-Key does the same.",
        json_schema_extra={"minLength": 1, "maxLength": 256},
    )
    task: Template | None = Field(None, description=TASK_DESCRIPTION)
    workflow: Template | None = Field(None, description=WORKFLOW_DESCRIPTION)

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        super().complete_schema(schema, components)
        schema["properties"] |= {
            "task": task_template_schema(components),
            "workflow": workflow_template_schema(components),
        }
        schema["allOf"] = [
            {"anyOf": [{"required": [one]}, {"required": [other]}]}
            for one, other in (("cron", "rate"), ("task", "workflow"))
        ]


class ChangeSchedule(ScheduleFields):
    """What is to change. What is left out stays; null takes a name, a start or an end away."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    task: Template | None = Field(None, description="Replaces the template whole.")
    workflow: Template | None = Field(None, description="Replaces the template whole.")

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        super().complete_schema(schema, components)
        for name, template_schema in (("task", task_template_schema), ("workflow", workflow_template_schema)):
            schema["properties"][name] = {"anyOf": [template_schema(components), {"type": "null"}]}


def task_template_schema(components: str) -> dict[str, Any]:
    """The body of a submit without the fields that a template cannot have."""
    return {
        "allOf": [{"$ref": components + SubmitTask.__name__}],
        "not": any_of_required(NOT_IN_TEMPLATES, SUBMIT_ALIASES),
        "description": TASK_DESCRIPTION,
    }


def workflow_template_schema(components: str) -> dict[str, Any]:
    node = {"not": any_of_required(NOT_IN_NODE_TEMPLATES, NODE_ALIASES)}
    return {
        "allOf": [{"$ref": components + SubmitWorkflow.__name__}],
        "not": any_of_required(NOT_IN_WORKFLOW_TEMPLATES, WORKFLOW_ALIASES),
        "properties": {"nodes": {"items": node, "additionalProperties": node}},
        "description": WORKFLOW_DESCRIPTION,
    }


def any_of_required(fields: tuple[str, ...], aliases: Mapping[str, str]) -> dict[str, Any]:
    """A schema of objects that have one of the fields, under any of its names."""
    names = [name for field in fields for name in (field, *(alias for alias in aliases if aliases[alias] == field))]
    return {"anyOf": [{"required": [name]} for name in names]}


WEEKDAYS_EXAMPLE: dict[str, Any] = {
    "name": "morning report",
    "cron": "0 9 * * MON-FRI",
    "timezone": "Europe/Berlin",
    "task": {"type": "DELAYED_MESSAGE", "payload": {"message": "good morning"}},
    "overlap": "skip",
    "catchUp": "last",
}
RATE_EXAMPLE: dict[str, Any] = {
    "rate": "5 minutes",
    "task": {"type": "DELAYED_MESSAGE", "payload": {"message": "again"}},
}
WORKFLOW_EXAMPLE: dict[str, Any] = {
    "cron": "0 2 * * *",
    "workflow": {
        "name": "nightly",
        "nodes": [
            {"name": "fetch", "type": "DELAYED_MESSAGE", "payload": {"message": "fetched"}},
            {"name": "report", "type": "DELAYED_MESSAGE", "payload": {"message": "done"}, "dependsOn": ["fetch"]},
        ],
    },
    "overlap": "skip",
}
EXAMPLES = {"weekdays": WEEKDAYS_EXAMPLE, "rate": RATE_EXAMPLE, "workflow": WORKFLOW_EXAMPLE}
