"""What the failure desk and bulk cancels are asked, as pydantic models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from functions.core.errors import FieldError, InvalidRequest
from functions.core.fields import field_errors
from functions.intake.task_requests import Instant, Limits, Request, TagKey, TagValue, TaskId, integral

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Attempts = Annotated[int, Field(ge=1, le=100), BeforeValidator(integral)]


class DeadLetterFilter(Request):
    """Which dead letters; what is left out does not narrow."""

    type: Name | None = None
    error_type: Name | None = Field(None, description="Class of the last error, e.g. TimedOut.")
    since: Instant | None = Field(None, description="Ended at this time or later.")
    until: Instant | None = Field(None, description="Ended before this time.")


class RetryTask(Request):
    """How a dead letter is run again."""

    attempts: Attempts | None = Field(None, description="New attempts to spend. Left out: as the task type has it.")


class Redrive(DeadLetterFilter):
    """Dead letters that are run again, slowly."""

    dry_run: bool = Field(False, description="Only count what would be run again.")
    rate_per_second: Annotated[float, Field(ge=0.001, le=1000, allow_inf_nan=False)] = Field(
        10, description="Their due times are spread so: the n-th is due n / rate seconds from now."
    )
    attempts: Attempts | None = Field(None, description="New attempts for each. Left out: as the task type has it.")
    limit: Annotated[int, Field(ge=1, le=1000), BeforeValidator(integral)] = Field(
        1000, description="At most so many in this request."
    )
    cursor: str | None = Field(None, description="Goes on where a request before stopped.")


def _given(name: str, kind: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": kind}}}


class CancelTasks(Request):
    """Which of the tasks that have not started are cancelled: by ids, or by a filter of at least one field."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                _given("ids", "array"),
                {"anyOf": [_given("type", "string"), _given("state", "string"), _given("tags", "object")]},
            ]
        }
    )

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=1000)] | None = None
    type: Name | None = None
    state: Literal["PENDING", "READY", "RETRY", "BLOCKED"] | None = None
    tags: Annotated[dict[TagKey, TagValue], Field(min_length=1, max_length=20)] | None = Field(
        None, description="All of these, with these values."
    )
    dry_run: bool = Field(False, description="Only count what would be cancelled.")
    reason: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        None, description="Kept on each task that is cancelled."
    )
    cursor: str | None = Field(None, description="Goes on where a request before stopped.")


M = TypeVar("M", bound=Request)


def read(model: type[M], body: Mapping[str, Any], now: int) -> M:
    """Raises InvalidRequest with every field at fault."""
    try:
        return model.model_validate(body, context=Limits(now, 0))
    except ValidationError as error:
        found = field_errors(error.errors(include_url=False, include_input=False), body)
        raise InvalidRequest([FieldError(each.field, each.message) for each in found]) from None
