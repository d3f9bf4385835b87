"""The JSON of workflows, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from functions.core.states import State
from functions.core.workflows.run import RunState
from functions.intake.task_schemas import Notification, NotifyTargetView, Progress, StateName, Time

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


class WorkflowNodeView(TypedDict):
    """A node is a task: GET /tasks/{id} tells the rest."""

    id: Annotated[str, Field(description="Of the task: `<workflow>-<index>`.")]
    name: str
    type: str
    state: StateName
    reason: str | None
    attempt: int
    maxAttempts: int
    runAt: Time
    startedAt: Annotated[Time | None, Field(description="Of the last attempt.")]
    endedAt: Time | None
    error: Annotated[str | None, Field(description="Of the last attempt that failed; null once one succeeded.")]
    errorType: str | None
    progress: Progress | None


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


class Workflow(WorkflowSummary):
    notifications: NotRequired[Annotated[list[Notification], Field(description="Of a workflow with `notify`.")]]
    nodes: Annotated[list[WorkflowNodeView], Field(description="A page, in the order in which they were submitted.")]
    cursor: Annotated[str | None, Field(description="For the next page of nodes; null on the last one.")]


class WorkflowList(TypedDict):
    workflows: list[WorkflowSummary]
    cursor: Annotated[str | None, Field(description="For the next page; null on the last one.")]
