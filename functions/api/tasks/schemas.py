"""The JSON that the bulk routes of tasks answer, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from functions.api.schemas import Problem
from functions.intake.task_schemas import BatchTask


class BatchResult(TypedDict):
    """Of one task of a batch, in the order in which they came: `task` or `problem`."""

    index: int
    status: Annotated[int, Field(description="As the answer of a single submit: 201, 200, 422, 503, …")]
    task: NotRequired[BatchTask]
    problem: NotRequired[Annotated[Problem, Field(description="When it was refused. `errors` may be shortened.")]]


class BatchAnswer(TypedDict):
    created: int
    existing: Annotated[
        int, Field(description="Submitted before, under the same idempotency key and with the same body.")
    ]
    refused: int
    results: list[BatchResult]


class CancelRefusal(TypedDict):
    id: str
    reason: str


class CancelAnswer(TypedDict):
    matched: int
    cancelled: Annotated[list[str], Field(description="Ids; of a dry run, those that would be.")]
    refused: list[CancelRefusal]
    dryRun: bool
    cursor: Annotated[str | None, Field(description="There may be more: send it with the same filter to go on.")]
