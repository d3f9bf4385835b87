"""What can be wrong, as types with fields. `functions/intake/problems.py` maps them to HTTP, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.core.states import State


class TaskyardError(Exception):
    """Base of all errors that a caller is told about."""


@dataclass(frozen=True)
class FieldError:
    """`field` is a path in the caller's own words, e.g. `payload.to` or `nodes[3].dependsOn[0]`."""

    field: str
    message: str


@dataclass
class InvalidRequest(TaskyardError):
    errors: Sequence[FieldError]

    def __str__(self) -> str:
        return "; ".join(f"{error.field}: {error.message}" for error in self.errors)


@dataclass
class UnknownTaskType(TaskyardError):
    type: str
    known: Sequence[str]

    def __str__(self) -> str:
        return f"no handler for task type {self.type!r}; known: {', '.join(self.known)}"


@dataclass
class TaskNotFound(TaskyardError):
    id: str

    def __str__(self) -> str:
        return f"no task {self.id}"


@dataclass
class NotAllowedInState(TaskyardError):
    """The action is refused because of the state that the task is in."""

    id: str
    action: str
    state: State

    def __str__(self) -> str:
        return f"cannot {self.action} task {self.id}: it is {self.state}"


@dataclass
class ChangedMeanwhile(TaskyardError):
    """Another request changed the task between this one's read and its write: read again, then decide. `what`: task or
    schedule."""

    id: str
    what: str = "task"

    def __str__(self) -> str:
        return f"{self.what} {self.id} was changed by another request; read it again"


@dataclass
class IdempotencyKeyReused(TaskyardError):
    """`what`: task, workflow or schedule."""

    key: str
    id: str
    what: str = "task"

    def __str__(self) -> str:
        return f"idempotency key {self.key!r} belongs to {self.what} {self.id}, which was submitted with another body"


@dataclass
class ScheduleNotFound(TaskyardError):
    id: str

    def __str__(self) -> str:
        return f"no schedule {self.id}"


@dataclass
class WorkflowNotFound(TaskyardError):
    id: str

    def __str__(self) -> str:
        return f"no workflow {self.id}"


@dataclass
class WorkflowNotAllowed(TaskyardError):
    """The action is refused because of the state that the run is in."""

    id: str
    action: str
    state: str

    def __str__(self) -> str:
        return f"cannot {self.action} workflow {self.id}: it is {self.state}"


@dataclass
class PayloadTooLarge(TaskyardError):
    size: int
    limit: int

    def __str__(self) -> str:
        return f"payload of {self.size} bytes is above the limit of {self.limit}"


@dataclass
class StoreUnavailable(TaskyardError):
    """DynamoDB, SQS, Scheduler or S3 refused for now (throttling, outage): the same request may be sent again."""

    service: str
    code: str

    def __str__(self) -> str:
        return f"{self.service} is not available for now ({self.code})"
