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

SCHEDULE_ALIASES = {
    "time_zone": "timezone",
    "timeZone": "timezone",
    "start_at": "startAt",
    "end_at": "endAt",
    "catch_up": "catchUp",
}
NOT_IN_TEMPLATES = ("runAt", "availableAt", "delaySeconds", "idempotencyKey", "dependencies")
"""What of a submit a schedule decides itself, or what cannot be said for more than one task."""
TEMPLATE_LIMIT_BYTES = 256 * 1024
"""It is in the schedule's record; DynamoDB takes items of 400 KB."""


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
        None, description="`skip`: nothing is submitted while the task before has not ended. Left out: allow."
    )
    catch_up: Literal["none", "last"] | None = Field(
        None,
        description="What was missed, by an outage or while paused: `last` submits the last of it once. "
        "Left out: none.",
    )

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        """cron or rate, not both."""
        schema["not"]["anyOf"].append({"required": ["cron", "rate"]})


class CreateSchedule(ScheduleFields):
    """A task to submit again and again."""

    idempotency_key: Annotated[str, AfterValidator(validate_idempotency_key)] | None = Field(
        None,
        description="The same key and body again answer the same schedule. The header Idempotency-Key does the same.",
        json_schema_extra={"minLength": 1, "maxLength": 256},
    )
    task: Template = Field(description="As in POST /tasks, without times, idempotency key and dependencies.")

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        super().complete_schema(schema, components)
        schema["properties"]["task"] = template_schema(components)
        schema["anyOf"] = [{"required": ["cron"]}, {"required": ["rate"]}]


class ChangeSchedule(ScheduleFields):
    """What is to change. What is left out stays; null takes a name, a start or an end away."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    task: Template | None = Field(None, description="Replaces the template whole.")

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        super().complete_schema(schema, components)
        schema["properties"]["task"] = {"anyOf": [template_schema(components), {"type": "null"}]}


def template_schema(components: str) -> dict[str, Any]:
    """The body of a submit without the fields that a template cannot have, under any of their names."""
    forbidden = [
        name
        for field in NOT_IN_TEMPLATES
        for name in (field, *(alias for alias, known in SUBMIT_ALIASES.items() if known == field))
    ]
    return {
        "allOf": [{"$ref": components + SubmitTask.__name__}],
        "not": {"anyOf": [{"required": [name]} for name in forbidden]},
        "description": "As in POST /tasks, without times, idempotency key and dependencies.",
    }


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
EXAMPLES = {"weekdays": WEEKDAYS_EXAMPLE, "rate": RATE_EXAMPLE}
