"""The JSON of a workflow in short, as types: see task_schemas.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from functions.core.states import State
from functions.core.workflows.run import RunState
from functions.intake.task_schemas import NotifyTargetView, Time

RunStateName = Annotated[str, WithJsonSchema({"type": "string", "enum": [str(state) for state in RunState]})]
Counts = Annotated[
    dict[str, int],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"enum": [*(str(state) for state in State), "OPEN"]},
            "additionalProperties": {"type": "integer", "minimum": 0},
        }
    ),
]


class WorkflowSummary(TypedDict):
    id: str
    name: str
    state: Annotated[
        RunStateName,
        Field(description="PENDING: accepted, its nodes are being written. RUNNING: they run."),
    ]
    reason: str | None
    round: Annotated[int, Field(description="1, and one more for each retry.")]
    nodeCount: int
    edgeCount: int
    counts: Annotated[
        Counts,
        Field(description="Nodes per state; their sum is nodeCount. `OPEN`: not ended, and not looked at one by one."),
    ]
    cancelRequested: bool
    createdAt: Time
    startedAt: Time | None
    endedAt: Time | None
    deadlineSeconds: int
    onFailure: Literal["continue", "cancel"]
    notify: list[NotifyTargetView]
    idempotencyKey: str | None
