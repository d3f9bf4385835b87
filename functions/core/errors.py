"""What can be wrong, as types with fields. `functions/intake/problems.py` maps them to HTTP, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

Resource = Literal["task", "workflow", "schedule"]
RESOURCES: tuple[Resource, ...] = get_args(Resource)


class TaskyardError(Exception):
    """Base of all errors that a caller is told about."""


class FieldError(NamedTuple):
    """`field` is a path in the caller's own words, e.g. `payload.to` or `nodes[3].dependsOn[0]`."""

    field: str
    message: str


class InvalidRequest(TaskyardError):
    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(f"{error.field}: {error.message}" for error in self.errors)


class UnknownTaskType(TaskyardError):
    def __init__(self, type: str, known_types: Sequence[str]) -> None:
        self.type = type
        self.known_types = known_types

    def __str__(self) -> str:
        return f"no handler for task type {self.type!r}; known: {', '.join(self.known_types)}"


class NotFound(TaskyardError):
    def __init__(self, what: Resource, id: str) -> None:
        self.what = what
        self.id = id

    def __str__(self) -> str:
        return f"no {self.what} {self.id}"


class NotAllowedInState(TaskyardError):
    """The state of the task or workflow does not allow the action. `action`: a verb, for the message."""

    def __init__(self, what: Resource, id: str, action: str, state: str) -> None:
        self.what = what
        self.id = id
        self.action = action
        self.state = state

    def __str__(self) -> str:
        return f"cannot {self.action} {self.what} {self.id}: it is {self.state}"


class ChangedMeanwhile(TaskyardError):
    """Another request changed the record between the read and the write of this one: read it again, then decide."""

    def __init__(self, what: Resource, id: str) -> None:
        self.what = what
        self.id = id

    def __str__(self) -> str:
        return f"{self.what} {self.id} was changed by another request; read it again"


class DeclaredByDeployment(TaskyardError):
    """A schedule that a deployment declares is changed by the next deployment only. `declared_as`: stack and name."""

    def __init__(self, id: str, declared_as: str) -> None:
        self.id = id
        self.declared_as = declared_as

    def __str__(self) -> str:
        stack, _, name = self.declared_as.partition("/")
        return (
            f"schedule {self.id} is declared as {name!r} by the app that deploys the stack {stack}: change or remove "
            "it there, and deploy; the API can pause, resume and run it"
        )


class IdempotencyKeyReused(TaskyardError):
    """`id`: of the record that was created or changed under the key; of a bulk request, the name of its route."""

    def __init__(self, what: Resource | Literal["request"], id: str, key: str) -> None:
        self.what = what
        self.id = id
        self.key = key

    def __str__(self) -> str:
        return f"idempotency key {self.key!r} belongs to {self.what} {self.id}, which was submitted with another body"


class PayloadTooLarge(TaskyardError):
    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit

    def __str__(self) -> str:
        return f"payload of {self.size} bytes is above the limit of {self.limit}"


class QuotaExceeded(TaskyardError):
    """The tenant's quota is used up for now. `quota`: its name in QUOTAS. `limit`: its value. After
    `retry_after_seconds` the same request fits, if the tenant submits nothing else until then."""

    def __init__(self, quota: str, limit: float, retry_after_seconds: int) -> None:
        self.quota = quota
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return (
            f"the tenant's quota {self.quota} of {self.limit:g} is used up; try again in {self.retry_after_seconds} s"
        )


class BeyondQuota(TaskyardError):
    """The request is larger than the tenant's quota: waiting does not help. `requested`: what it would take."""

    def __init__(self, quota: str, limit: int, requested: int) -> None:
        self.quota = quota
        self.limit = limit
        self.requested = requested

    def __str__(self) -> str:
        return f"{self.requested} is above the tenant's quota {self.quota} of {self.limit}; waiting does not help"


class StoreUnavailable(TaskyardError):
    """DynamoDB, SQS, Scheduler or S3 refused for now (throttling, outage): the same request may be sent again."""

    def __init__(self, service: str, code: str) -> None:
        self.service = service
        self.code = code

    def __str__(self) -> str:
        return f"{self.service} is not available for now ({self.code})"
