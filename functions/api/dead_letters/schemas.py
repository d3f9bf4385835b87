"""The JSON that a redrive answers, as a type: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from functions.intake.task_schemas import Time


class RedriveAnswer(TypedDict):
    matched: int
    redriven: int
    skipped: Annotated[int, Field(description="Changed by somebody else meanwhile, or nodes: retry their workflow.")]
    dryRun: bool
    cursor: Annotated[str | None, Field(description="There may be more: send it with the same filter to go on.")]
    lastDue: Annotated[Time | None, Field(description="When the last of them is due, at the given rate.")]
