"""The JSON of workflows, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from functions.intake.task_schemas import Notification, Progress, StateName, Time
from functions.intake.workflow_schemas import WorkflowSummary


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


class Workflow(WorkflowSummary):
    notifications: NotRequired[Annotated[list[Notification], Field(description="Of a workflow with `notify`.")]]
    nodes: Annotated[list[WorkflowNodeView], Field(description="A page, in the order in which they were submitted.")]
    cursor: Annotated[str | None, Field(description="For the next page of nodes; null on the last one.")]


class WorkflowList(TypedDict):
    workflows: list[WorkflowSummary]
    cursor: Annotated[str | None, Field(description="For the next page; null on the last one.")]
