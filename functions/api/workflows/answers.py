"""What callers of /workflows get, as pydantic models: the schemas of /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from functions.api.tasks.answers import Answer, Notification, Progress, StateName, Time, Told
from functions.core.states import State
from functions.core.workflows.run import RunState

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


class WorkflowNodeView(Answer):
    """A node is a task: GET /tasks/{id} tells the rest."""

    id: str = Field(description="Of the task: `<workflow>-<index>`.")
    name: str
    type: str
    state: StateName
    reason: str | None
    attempt: int
    max_attempts: int
    run_at: Time
    started_at: Time | None = Field(description="Of the last attempt.")
    ended_at: Time | None
    error: str | None = Field(description="Of the last attempt that failed; null once one succeeded.")
    error_type: str | None
    progress: Progress | None


class WorkflowSummary(Answer):
    id: str
    name: str
    state: RunStateName = Field(description="PENDING: accepted, its nodes are being written. RUNNING: they run.")
    reason: str | None
    round: int = Field(description="1, and one more for each retry.")
    node_count: int
    edge_count: int
    counts: Counts = Field(
        description="Nodes per state; their sum is nodeCount. `OPEN`: not ended, and not looked at one by one."
    )
    cancel_requested: bool
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    deadline_seconds: int
    on_failure: Literal["continue", "cancel"]
    notify: list[Told]
    idempotency_key: str | None


class Workflow(WorkflowSummary):
    notifications: list[Notification] = Field(default=[], description="Of a workflow with `notify`.")
    nodes: list[WorkflowNodeView] = Field(description="A page, in the order in which they were submitted.")
    cursor: str | None = Field(description="For the next page of nodes; null on the last one.")


class WorkflowList(Answer):
    workflows: list[WorkflowSummary]
    cursor: str | None = Field(description="For the next page; null on the last one.")
