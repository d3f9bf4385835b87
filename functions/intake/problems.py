"""Errors → RFC 9457 problem documents, for every route. Their `type` is stable: `urn:taskyard:problem:<slug>`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.core.errors import (
    RESOURCES,
    BeyondQuota,
    ChangedMeanwhile,
    DeclaredByDeployment,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    PayloadTooLarge,
    QuotaExceeded,
    Resource,
    StoreUnavailable,
    TaskyardError,
    UnknownTaskType,
)
from functions.core.identity.errors import InvalidTenant, NoRole, NoTenant, SeveralTenants, WrongTokenUse
from functions.intake.body import MalformedBody, UnsupportedMediaType
from functions.intake.principal import NoIdentity

logger = logging.getLogger("taskyard.api")

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:taskyard:problem:"
ERRORS_LIMIT = 100
"""Field errors in one problem document."""
TEXT_LIMIT = 1000
"""Characters of a detail, a field name or a message: callers choose names of fields and nodes, of up to megabytes."""
RETRY_AFTER_SECONDS = 2


@dataclass
class NoSuchRoute(TaskyardError):
    method: str
    path: str

    def __str__(self) -> str:
        return f"there is no {self.method} {self.path}"


@dataclass
class MethodNotAllowed(TaskyardError):
    method: str
    path: str
    allowed: Sequence[str]

    def __str__(self) -> str:
        return f"{self.path} takes {', '.join(self.allowed)}, not {self.method}"


@dataclass(frozen=True)
class ProblemType:
    """`fields`, `headers`: what a program may need from the error, beyond status, slug and detail."""

    status: int
    slug: str
    title: str
    fields: Callable[[Any], dict[str, Any]] = lambda error: {}
    headers: Callable[[Any], dict[str, str]] = lambda error: {}


@dataclass(frozen=True)
class Problem:
    status: int
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def field_errors(error: InvalidRequest) -> dict[str, Any]:
    return {
        "errors": [
            {"field": each.field[:TEXT_LIMIT], "message": each.message[:TEXT_LIMIT]}
            for each in error.errors[:ERRORS_LIMIT]
        ]
    }


INTERNAL = ProblemType(500, "internal-error", "Something went wrong on our side")

PROBLEM_TYPES: dict[type[Exception] | tuple[type[Exception], Resource], ProblemType] = {
    MalformedBody: ProblemType(400, "malformed-body", "The body cannot be read"),
    WrongTokenUse: ProblemType(
        401,
        "wrong-token-use",
        "The token is made for another use",
        # RFC 6750, section 3.1.
        headers=lambda error: {"WWW-Authenticate": 'Bearer error="invalid_token"'},
    ),
    NoIdentity: ProblemType(403, "no-identity", "The caller is not known"),
    NoRole: ProblemType(
        403,
        "no-role",
        "The caller does not have the role",
        lambda error: {"required": str(error.required), "held": [str(role) for role in error.held]},
    ),
    NoTenant: ProblemType(403, "no-tenant", "The caller has no tenant"),
    SeveralTenants: ProblemType(403, "several-tenants", "The caller has more than one tenant"),
    InvalidTenant: ProblemType(403, "invalid-tenant", "A tenant cannot have this name"),
    **{(NotFound, what): ProblemType(404, f"{what}-not-found", f"There is no such {what}") for what in RESOURCES},
    NoSuchRoute: ProblemType(404, "no-such-route", "There is no such route"),
    MethodNotAllowed: ProblemType(
        405,
        "method-not-allowed",
        "The route does not take this method",
        headers=lambda error: {"Allow": ", ".join(error.allowed)},
    ),
    (NotAllowedInState, "task"): ProblemType(
        409,
        "not-allowed-in-state",
        "The state of the task does not allow it",
        lambda error: {"taskId": error.id, "state": str(error.state)},
    ),
    (NotAllowedInState, "workflow"): ProblemType(
        409,
        "workflow-not-allowed-in-state",
        "The state of the workflow does not allow it",
        lambda error: {"workflowId": error.id, "state": str(error.state)},
    ),
    ChangedMeanwhile: ProblemType(
        409,
        "changed-meanwhile",
        "It was changed by another request",
        lambda error: {f"{error.what}Id": error.id},
    ),
    DeclaredByDeployment: ProblemType(
        409,
        "declared-by-deployment",
        "A deployment declares the schedule",
        lambda error: {"scheduleId": error.id, "declaredAs": error.declared_as},
    ),
    PayloadTooLarge: ProblemType(
        413,
        "payload-too-large",
        "The payload is too large",
        lambda error: {"size": error.size, "limit": error.limit},
    ),
    UnsupportedMediaType: ProblemType(
        415,
        "unsupported-media-type",
        "The body is not sent as JSON",
        # RFC 9110, section 15.5.16: a 415 response may carry Accept.
        headers=lambda error: {"Accept": "application/json"},
    ),
    InvalidRequest: ProblemType(422, "invalid-request", "The request is not valid", field_errors),
    UnknownTaskType: ProblemType(
        422,
        "unknown-task-type",
        "There is no such task type",
        lambda error: {"taskType": error.type, "known": list(error.known_types)},
    ),
    IdempotencyKeyReused: ProblemType(
        422,
        "idempotency-key-reused",
        "The idempotency key belongs to another request",
        lambda error: {f"{error.what}Id": error.id},
    ),
    BeyondQuota: ProblemType(
        403,
        "beyond-quota",
        "It is above the tenant's quota",
        lambda error: {"quota": error.quota, "limit": error.limit, "requested": error.requested},
    ),
    QuotaExceeded: ProblemType(
        429,
        "quota-exceeded",
        "The tenant's quota is used up for now",
        # Also as a field: an answer of the producer function has no headers.
        lambda error: {
            "quota": error.quota,
            "limit": error.limit,
            "retryAfterSeconds": error.retry_after_seconds,
        },
        lambda error: {"Retry-After": str(error.retry_after_seconds)},
    ),
    StoreUnavailable: ProblemType(
        503,
        "unavailable",
        "The service is not available for now",
        lambda error: {"service": error.service},
        lambda error: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
}
"""An error class that has one slug per resource has one entry per resource."""


def problem_of(error: Exception, *, request_id: str) -> Problem:
    """An error without a problem type is logged with its traceback. Its answer names the request and the log, and
    nothing else. Lambda sets the variable with the name of the log group; the local system sets the path of a file."""
    problem_type = find_problem_type(error)
    if problem_type is None:
        logger.exception("internal error", exc_info=error, extra={"requestId": request_id})
        log = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "of the function")
        detail = f"request {request_id} failed; its cause is in the log {log}"
        return _problem(INTERNAL, detail, {"requestId": request_id})
    if problem_type.status >= 500:
        logger.warning(str(error), extra={"requestId": request_id})
    return _problem(problem_type, str(error), problem_type.fields(error), problem_type.headers(error))


def slug_of(error: Exception) -> str:
    """Of the problem that answers the error."""
    return (find_problem_type(error) or INTERNAL).slug


def find_problem_type(error: Exception) -> ProblemType | None:
    what = getattr(error, "what", None)
    for cls in type(error).__mro__:
        if problem_type := PROBLEM_TYPES.get((cls, what)) or PROBLEM_TYPES.get(cls):  # type: ignore[arg-type]
            return problem_type
    return None


def _problem(
    problem_type: ProblemType, detail: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Problem:
    document = {
        "type": PREFIX + problem_type.slug,
        "title": problem_type.title,
        "status": problem_type.status,
        "detail": detail[:TEXT_LIMIT],
        **fields,
    }
    return Problem(problem_type.status, document, headers or {})
