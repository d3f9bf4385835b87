"""Filter of dead letters and bodies of retry and redrive, as pydantic models."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from functions.api.validation import Name
from functions.intake.task_requests import Instant, Request, integer_from_float

Attempts = Annotated[int, Field(ge=1, le=100), BeforeValidator(integer_from_float)]


class DeadLetterFilter(Request):
    """Which dead letters. A field that is left out does not narrow the filter."""

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
    limit: Annotated[int, Field(ge=1, le=1000), BeforeValidator(integer_from_float)] = Field(
        1000, description="At most so many in this request."
    )
    cursor: str | None = Field(None, description="Goes on where a request before stopped.")
