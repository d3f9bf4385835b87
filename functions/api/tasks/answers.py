"""What callers get, as pydantic models: the schemas of /openapi.json. Answers themselves are written by views.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from functions.core.states import State

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
StateName = Annotated[str, WithJsonSchema({"type": "string", "enum": [str(state) for state in State]})]


class Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Retry(Answer):
    strategy: Literal["exponential", "fixed"]
    base_seconds: float
    max_seconds: float
    jitter: float


class Progress(Answer):
    """What the handler last said of itself."""

    fraction: Annotated[float, Field(ge=0, le=1)]
    note: str
    at: Time


class Attempt(Answer):
    """One execution of the task's handler."""

    number: int
    started_at: Time
    ended_at: Time | None
    outcome: Literal["SUCCESS", "RETRY", "FAILED", "DEAD", "LOST"] | None = Field(
        description="RETRY: failed, another follows. LOST: its worker died. null: it runs."
    )
    error_type: str | None
    error: str | None
    where: str | None = Field(description="File and line that raised.")
    traceback: str | None = Field(
        default=None,
        description="Frames and errors, causes first, a line each; with notes, and the errors of a group. The last "
        "1,000 bytes; kept for the last attempt that failed. Not in lists. The worker's log has it in full.",
    )
    log: list[str] = Field(default=[], description="Bounded; kept for the last attempts. Not in lists.")


class Redriven(Answer):
    """Who ran a dead letter again, when, with how many new attempts."""

    by: str
    at: Time
    attempts: int


class WorkflowTie(Answer):
    """Of a task that is a workflow's node."""

    id: str
    name: str | None = Field(description="Of the workflow. Not in lists.")
    node: str = Field(description="The node's name.")
    round: int


class Told(Answer):
    to: str
    on: Literal["success", "failure", "both"]
    secret: str = Field(default="", description="The name of the secret that signs, when one was given.")


class Notification(Answer):
    """One end of a task or of a workflow, told to one target."""

    event: str | None = Field(description="Tells ends apart: a task that is redriven ends again. null: not ended.")
    target: int = Field(description="Its place in `notify`, from 0.")
    to: str
    state: Literal["WAITING", "PENDING", "DELIVERED", "UNDELIVERABLE"] = Field(
        description="WAITING: for the end. PENDING: it is tried for 24 hours. The others are final."
    )
    attempts: int
    status: int | None = Field(description="Of the last HTTP answer.")
    error: str | None = Field(description="Why the last attempt failed.")
    first_attempt_at: Time | None
    last_attempt_at: Time | None


class Undelivered(Notification):
    of: Literal["task", "workflow"]
    id: str


class NotificationList(Answer):
    notifications: list[Undelivered]
    cursor: str | None = Field(description="For the next page; null on the last one.")


class Task(Answer):
    id: str
    type: str = Field(description="The type's own name, whichever of its names it was submitted under.")
    state: StateName = Field(description="PENDING waits for its time, READY for a worker, BLOCKED for dependencies.")
    reason: str | None = Field(description="Why the task is in its state, when the state alone does not say.")
    priority: Annotated[int, Field(ge=0, le=9)] = Field(description="Chooses the lane, and no more.")
    lane: Literal["high", "normal", "low"] = Field(description="Of priority 7 to 9, 3 to 6, 0 to 2.")
    payload: Any = Field(
        default=None,
        description="Left out when `omitted` names it. What its type marks as sensitive is `**********`.",
    )
    result: Any = Field(default=None, description="What the handler returned. Left out when `omitted` names it.")
    omitted: list[Literal["payload", "result"]] = Field(
        default=[],
        description="What this answer leaves out. In a list: what is not kept in the record; ask for the task.",
    )
    run_at: Time = Field(description="When it is due; of a task in RETRY, when its next attempt is.")
    created_at: Time
    started_at: Time | None = Field(description="Of the last attempt.")
    ended_at: Time | None
    attempt: int = Field(description="How many attempts have begun.")
    max_attempts: int
    max_retries: int
    retry: Retry
    timeout_seconds: int
    idempotency_key: str | None
    tags: dict[str, str]
    generation: int = Field(description="Raised by each retry, reschedule and release.")
    dependencies: list[str] = Field(description="Tasks that must succeed first. Of a node: not in lists.")
    workflow: WorkflowTie | None = Field(description="null: it was submitted by itself.")
    notify: list[Told] = Field(description="Whom it tells of its end. Of a webhook its origin only.")
    notifications: list[Notification] = Field(
        default=[], description="How far each has come: of a task with `notify`. Not in lists."
    )
    progress: Progress | None
    redriven: list[Redriven] = Field(default=[], description="Oldest first; the last 10.")
    attempts: list[Attempt] = Field(description="Oldest first; the last 20 that failed.")


class TaskList(Answer):
    tasks: list[Task]
    cursor: str | None = Field(description="For the next page; null on the last one. A page may be short and not last.")


class ErrorOfField(Answer):
    field: str = Field(description="Path, in the words of the request: `payload.to[0]`.")
    message: str


class Problem(Answer):
    """RFC 9457. `type` is stable; `title` and `detail` are for people."""

    type: str = Field(description="urn:taskyard:problem:…")
    title: str
    status: int
    detail: str
    errors: list[ErrorOfField] = Field(default=[], description="Each field at fault.")
    known: list[str] = Field(default=[], description="Of unknown-task-type: the types that there are.")
    task_type: str = Field(default="", description="Of unknown-task-type.")
    task_id: str = Field(default="", description="Of conflicts: the task concerned.")
    schedule_id: str = Field(default="", description="Of conflicts: the schedule concerned.")
    workflow_id: str = Field(default="", description="Of conflicts: the workflow concerned.")
    state: str = Field(default="", description="Of not-allowed-in-state.")
    size: int = Field(default=0, description="Of payload-too-large, in bytes.")
    limit: int = Field(default=0, description="Of payload-too-large, in bytes.")
    service: str = Field(default="", description="Of unavailable: what refused.")
    request_id: str = Field(default="", description="Of internal-error: find it in the logs.")


class BatchTask(Answer):
    """A task in short: ask for it to see the rest."""

    id: str
    type: str
    state: StateName
    priority: Annotated[int, Field(ge=0, le=9)]
    lane: Literal["high", "normal", "low"]
    run_at: Time
    created_at: Time
    attempt: int
    idempotency_key: str | None


class BatchResult(Answer):
    """Of one task of a batch, in the order in which they came: `task` or `problem`."""

    index: int
    status: int = Field(description="As the answer of a single submit: 201, 200, 422, 503, …")
    task: BatchTask | None = None
    problem: Problem | None = Field(default=None, description="When it was refused. `errors` may be shortened.")


class BatchAnswer(Answer):
    created: int
    existing: int = Field(description="Submitted before, under the same idempotency key and with the same body.")
    refused: int
    results: list[BatchResult]


class RedriveAnswer(Answer):
    matched: int
    redriven: int
    skipped: int = Field(description="Changed by somebody else meanwhile, or nodes: retry their workflow.")
    dry_run: bool
    cursor: str | None = Field(description="There may be more: send it with the same filter to go on.")
    last_due: Time | None = Field(description="When the last of them is due, at the given rate.")


class Refused(Answer):
    id: str
    reason: str


class CancelAnswer(Answer):
    matched: int
    cancelled: list[str] = Field(description="Ids; of a dry run, those that would be.")
    refused: list[Refused]
    dry_run: bool
    cursor: str | None = Field(description="There may be more: send it with the same filter to go on.")


class Lane(Answer):
    """Messages, approximately, as SQS counts them."""

    queued: int
    in_flight: int
    delayed: int


class Stats(Answer):
    states: dict[str, int] = Field(description="Tasks per stored state, some seconds old. A due task may be PENDING.")
    types: dict[str, dict[str, int]] = Field(description="Task type → state → tasks; zeros are left out.")
    lanes: dict[str, Lane]
    oldest_seconds: float | None = Field(
        description="How long the oldest waiting task has been due, among the 300 newest tasks; null: none waits."
    )


class Health(Answer):
    status: Literal["ok"]
    environment: str


class GatewayMessage(Answer):
    """Of the gateway in front, which refused before Taskyard saw the request."""

    message: str | None
