"""The JSON of a task, as types.

mypy checks the functions of task_views.py against them, /openapi.json describes them, and tests compare the models of
the client with them. At run time only /openapi.json imports this module, because it imports pydantic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from functions.core.notifications.events import Delivery
from functions.core.states import State

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
StateName = Annotated[str, WithJsonSchema({"type": "string", "enum": [str(state) for state in State]})]
LaneName = Annotated[str, WithJsonSchema({"type": "string", "examples": ["high", "normal", "low"]})]
AttemptOutcome = Annotated[
    str, WithJsonSchema({"type": "string", "enum": ["SUCCESS", "RETRY", "FAILED", "DEAD", "LOST"]})
]
DeliveryName = Annotated[str, WithJsonSchema({"type": "string", "enum": [str(state) for state in Delivery]})]
Omissible = Literal["payload", "result"]


class Retry(TypedDict):
    strategy: Literal["exponential", "fixed"]
    baseSeconds: float
    maxSeconds: float
    jitter: float


class Progress(TypedDict):
    """What the handler last reported."""

    fraction: Annotated[float, Field(ge=0, le=1)]
    note: str
    at: Time


class Attempt(TypedDict):
    """One execution of the task's handler."""

    number: int
    startedAt: Time
    endedAt: Time | None
    outcome: Annotated[
        AttemptOutcome | None,
        Field(description="RETRY: failed, another follows. LOST: its worker died. null: it runs."),
    ]
    errorType: str | None
    error: str | None
    where: Annotated[str | None, Field(description="File and line that raised.")]
    traceback: NotRequired[
        Annotated[
            str | None,
            Field(
                description="Frames and errors, causes first, a line each; with notes, and the errors of a group. The "
                "last 1,000 bytes; kept for the last attempt that failed. Not in lists. The worker's log has it in "
                "full."
            ),
        ]
    ]
    log: NotRequired[Annotated[list[str], Field(description="Bounded; kept for the last attempts. Not in lists.")]]


class RedriveRecord(TypedDict):
    """Who ran a dead letter again, when, with how many new attempts."""

    by: str
    at: Time
    attempts: int


class WorkflowReference(TypedDict):
    """Of a task that is a workflow's node."""

    id: str
    name: Annotated[str | None, Field(description="Of the workflow. Not in lists.")]
    node: Annotated[str, Field(description="The node's name.")]
    round: int


class NotifyTargetView(TypedDict):
    to: str
    on: Literal["success", "failure", "both"]
    secret: NotRequired[Annotated[str, Field(description="The name of the secret that signs, when one was given.")]]


class Notification(TypedDict):
    """The notification of one end of a task or of a workflow to one target."""

    event: Annotated[
        str | None,
        Field(description="Tells ends apart: a task that is redriven ends again. null: not ended."),
    ]
    target: Annotated[int, Field(description="Its place in `notify`, from 0.")]
    to: str
    state: Annotated[
        DeliveryName,
        Field(description="WAITING: for the end. PENDING: it is tried for 24 hours. The others are final."),
    ]
    attempts: int
    status: Annotated[int | None, Field(description="Of the last HTTP answer.")]
    error: Annotated[str | None, Field(description="Why the last attempt failed.")]
    firstAttemptAt: Time | None
    lastAttemptAt: Time | None


class SubmittedBy(TypedDict):
    """The task whose handler submitted this one."""

    task: str


class Task(TypedDict):
    id: str
    type: Annotated[str, Field(description="The type's own name, whichever of its names it was submitted under.")]
    state: Annotated[
        StateName, Field(description="PENDING waits for its time, READY for a worker, BLOCKED for dependencies.")
    ]
    reason: Annotated[str | None, Field(description="Why the task is in its state, when the state alone does not say.")]
    priority: Annotated[int, Field(ge=0, le=9, description="Chooses the lane, and no more.")]
    lane: Annotated[
        LaneName,
        Field(description="In the default pool `high`, `normal` or `low`, of priority 7 to 9, 3 to 6, 0 to 2."),
    ]
    payload: NotRequired[
        Annotated[
            Any,
            Field(description="Left out when `omitted` names it. What its type marks as sensitive is `**********`."),
        ]
    ]
    result: NotRequired[
        Annotated[Any, Field(description="What the handler returned. Left out when `omitted` names it.")]
    ]
    omitted: NotRequired[
        Annotated[
            list[Omissible],
            Field(
                description="What this answer leaves out. In a list: what is not kept in the record; ask for the task."
            ),
        ]
    ]
    runAt: Annotated[Time, Field(description="When it is due; of a task in RETRY, when its next attempt is.")]
    createdAt: Time
    startedAt: Annotated[Time | None, Field(description="Of the last attempt.")]
    endedAt: Time | None
    attempt: Annotated[int, Field(description="How many attempts have begun.")]
    maxAttempts: int
    maxRetries: int
    retry: Retry
    timeoutSeconds: int
    idempotencyKey: str | None
    submittedBy: Annotated[SubmittedBy | None, Field(description="null: a caller or a schedule submitted it.")]
    tags: dict[str, str]
    generation: Annotated[int, Field(description="Raised by each retry, reschedule and release.")]
    dependencies: Annotated[list[str], Field(description="Tasks that must succeed first. Of a node: not in lists.")]
    workflow: Annotated[WorkflowReference | None, Field(description="null: it was submitted by itself.")]
    notify: Annotated[
        list[NotifyTargetView], Field(description="Who is notified of its end. Of a webhook its origin only.")
    ]
    notifications: NotRequired[
        Annotated[
            list[Notification],
            Field(description="How far each has come: of a task with `notify`. Not in lists."),
        ]
    ]
    progress: Progress | None
    redriven: Annotated[list[RedriveRecord], Field(description="Oldest first; the last 10.")]
    attempts: Annotated[list[Attempt], Field(description="Oldest first; the last 20 that failed.")]


class BatchTask(TypedDict):
    """A task in short: ask for it to see the rest."""

    id: str
    type: str
    state: StateName
    priority: Annotated[int, Field(ge=0, le=9)]
    lane: LaneName
    runAt: Time
    createdAt: Time
    attempt: int
    idempotencyKey: str | None
