"""The JSON that several resources answer, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from functions.intake.task_schemas import Task


class TaskList(TypedDict):
    tasks: list[Task]
    cursor: Annotated[
        str | None,
        Field(description="For the next page; null on the last one. A page may be short and not last."),
    ]


class FieldError(TypedDict):
    field: Annotated[str, Field(description="Path, in the words of the request: `payload.to[0]`.")]
    message: str


class Problem(TypedDict):
    """RFC 9457. `type` is stable; `title` and `detail` are for people."""

    type: Annotated[str, Field(description="urn:taskyard:problem:…")]
    title: str
    status: int
    detail: str
    errors: NotRequired[Annotated[list[FieldError], Field(description="Each field at fault.")]]
    known: NotRequired[Annotated[list[str], Field(description="Of unknown-task-type: the types that there are.")]]
    taskType: NotRequired[Annotated[str, Field(description="Of unknown-task-type.")]]
    taskId: NotRequired[Annotated[str, Field(description="Of conflicts: the task concerned.")]]
    scheduleId: NotRequired[Annotated[str, Field(description="Of conflicts: the schedule concerned.")]]
    workflowId: NotRequired[Annotated[str, Field(description="Of conflicts: the workflow concerned.")]]
    state: NotRequired[Annotated[str, Field(description="Of not-allowed-in-state.")]]
    size: NotRequired[Annotated[int, Field(description="Of payload-too-large, in bytes.")]]
    limit: NotRequired[
        Annotated[float, Field(description="Of payload-too-large, in bytes; of quota-exceeded and beyond-quota.")]
    ]
    quota: NotRequired[Annotated[str, Field(description="Of quota-exceeded and beyond-quota: which one.")]]
    requested: NotRequired[Annotated[int, Field(description="Of beyond-quota: what the request would take.")]]
    retryAfterSeconds: NotRequired[Annotated[int, Field(description="Of quota-exceeded, as Retry-After.")]]
    service: NotRequired[Annotated[str, Field(description="Of unavailable: what refused.")]]
    requestId: NotRequired[Annotated[str, Field(description="Of internal-error: find it in the logs.")]]


class GatewayMessage(TypedDict):
    """Of the gateway in front, which refused before Taskyard saw the request."""

    message: str | None
