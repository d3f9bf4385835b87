"""What callers send about schedules, as pydantic models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from functions.core.schedules.recurrence import BadExpression, parse_cron, parse_rate, zone_of
from functions.intake.task_requests import Instant, Request, refuse, stripped_key

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
        except BadExpression as bad:
            raise refuse(str(bad)) from None
        return value.strip()

    return AfterValidator(check)


Cron = Annotated[str, StringConstraints(min_length=1, max_length=256), read_by(parse_cron)]
Rate = Annotated[str, StringConstraints(min_length=1, max_length=64), read_by(parse_rate)]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=50), read_by(zone_of)]
Template = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
"""Its schema says more: functions/api/schedules/openapi.py."""


class Described(Request):
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


class CreateSchedule(Described):
    """A task to submit again and again."""

    idempotency_key: Annotated[str, AfterValidator(stripped_key)] | None = Field(
        None,
        description="The same key and body again answer the same schedule. The header Idempotency-Key does the same.",
        json_schema_extra={"minLength": 1, "maxLength": 256},
    )
    task: Template = Field(description="As in POST /tasks, without times, idempotency key and dependencies.")


class ChangeSchedule(Described):
    """What is to change. What is left out stays; null takes a name, a start or an end away."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    task: Template | None = Field(None, description="Replaces the template whole.")
