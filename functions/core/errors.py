"""What can be wrong, as types with fields. `functions/intake/problems.py` maps them to HTTP, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Resource = Literal["task", "workflow", "schedule"]
RESOURCES: tuple[Resource, ...] = get_args(Resource)


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
class NotFound(TaskyardError):
    what: Resource
    id: str

    def __str__(self) -> str:
        return f"no {self.what} {self.id}"


@dataclass
class NotAllowedInState(TaskyardError):
    """The state of the task or workflow does not allow the action. `action`: a verb, for the message."""

    what: Resource
    id: str
    action: str
    state: str

    def __str__(self) -> str:
        return f"cannot {self.action} {self.what} {self.id}: it is {self.state}"


@dataclass
class ChangedMeanwhile(TaskyardError):
    """Another request changed the record between the read and the write of this one: read it again, then decide."""

    what: Resource
    id: str

    def __str__(self) -> str:
        return f"{self.what} {self.id} was changed by another request; read it again"


@dataclass
class IdempotencyKeyReused(TaskyardError):
    """`id`: of the record that was created or changed under the key; of a bulk request, the name of its route."""

    what: Resource | Literal["request"]
    id: str
    key: str

    def __str__(self) -> str:
        return f"idempotency key {self.key!r} belongs to {self.what} {self.id}, which was submitted with another body"


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
