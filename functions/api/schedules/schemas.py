"""The JSON of schedules, as types: see functions/intake/task_schemas.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from functions.api.schedules.views import UPCOMING
from functions.intake.task_schemas import Time


class ScheduleAnswer(TypedDict):
    id: str
    name: str | None
    cron: Annotated[str | None, Field(description="As it was given; or rate was.")]
    rate: str | None
    expression: Annotated[str | None, Field(description="As EventBridge Scheduler has it.")]
    timezone: str
    startAt: Time | None
    endAt: Time | None
    paused: bool
    pausedAt: Time | None
    overlap: str
    catchUp: str
    task: Annotated[
        dict[str, Any] | None,
        Field(description="The template, or workflow is; of webhooks in `notify` the origins."),
    ]
    workflow: Annotated[
        dict[str, Any] | None, Field(description="As task. In a list the nodes of a large one are left out.")
    ]
    omitted: NotRequired[
        Annotated[
            list[Literal["task.payload", "workflow.nodes"]],
            Field(description="Of a list: what is too large for it; ask for the schedule."),
        ]
    ]
    nextTimes: Annotated[list[Time], Field(max_length=UPCOMING, description="The next five; none while it is paused.")]
    createdAt: Time
    updatedAt: Time
    idempotencyKey: str | None
    managedBy: Annotated[
        Literal["api", "deployment"],
        Field(description="`deployment`: it is declared in the app of a stack. The API can pause, resume and run it."),
    ]
    declaredAs: Annotated[str | None, Field(description="Stack and name of such a declaration.")]
    fired: Annotated[int, Field(description="Tasks or workflows submitted, by firings and on request.")]
    skipped: Annotated[int, Field(description="Firings that found the task or workflow before still running.")]
    missed: Annotated[int, Field(description="Firings that came too late.")]
    lastTaskId: str | None
    lastWorkflowId: str | None
    lastScheduledAt: Annotated[Time | None, Field(description="The time that the last task or workflow stands for.")]
    lastFiredAt: Annotated[Time | None, Field(description="When it was submitted.")]
    lastSkippedAt: Time | None
    lastMissedAt: Time | None
    lastError: Annotated[
        str | None, Field(description="Why the template could not be submitted when it last was refused.")
    ]
    lastErrorAt: Time | None


class ScheduleList(TypedDict):
    schedules: list[ScheduleAnswer]
    cursor: str | None
