"""Errors → RFC 9457 problem documents, once for all routes. Their `type` is stable: `urn:taskyard:problem:<slug>`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.core.errors import (
    ChangedMeanwhile,
    IdempotencyKeyReused,
    InvalidRequest,
    NotAllowedInState,
    PayloadTooLarge,
    ScheduleNotFound,
    StoreUnavailable,
    TaskNotFound,
    TaskyardError,
    UnknownTaskType,
    WorkflowNotAllowed,
    WorkflowNotFound,
)
from functions.intake.body import MalformedBody, UnsupportedMediaType
from functions.intake.principal import NoIdentity

logger = logging.getLogger("taskyard.api")

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:taskyard:problem:"
ERRORS_SHOWN = 100
DETAIL_LIMIT = 1000
"""Characters: names of fields and of nodes are the caller's, and may be megabytes."""
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
class Kind:
    """`fields`: what else of the error a program may want to read."""

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


def errors(error: InvalidRequest) -> dict[str, Any]:
    shown = error.errors[:ERRORS_SHOWN]
    return {"errors": [{"field": each.field[:DETAIL_LIMIT], "message": each.message[:DETAIL_LIMIT]} for each in shown]}


INTERNAL = Kind(500, "internal-error", "Something went wrong on our side")

KINDS: dict[type[Exception], Kind] = {
    MalformedBody: Kind(400, "malformed-body", "The body cannot be read"),
    NoIdentity: Kind(403, "no-identity", "The caller is not known"),
    TaskNotFound: Kind(404, "task-not-found", "There is no such task"),
    NoSuchRoute: Kind(404, "no-such-route", "There is no such route"),
    MethodNotAllowed: Kind(
        405,
        "method-not-allowed",
        "The route does not take this method",
        headers=lambda error: {"Allow": ", ".join(error.allowed)},
    ),
    NotAllowedInState: Kind(
        409,
        "not-allowed-in-state",
        "The state of the task does not allow it",
        lambda error: {"taskId": error.id, "state": str(error.state)},
    ),
    ChangedMeanwhile: Kind(
        409,
        "changed-meanwhile",
        "It was changed by another request",
        lambda error: {f"{error.what}Id": error.id},
    ),
    PayloadTooLarge: Kind(
        413,
        "payload-too-large",
        "The payload is too large",
        lambda error: {"size": error.size, "limit": error.limit},
    ),
    UnsupportedMediaType: Kind(
        415,
        "unsupported-media-type",
        "The body is not sent as JSON",
        # RFC 9110 has it in answers as well.
        headers=lambda error: {"Accept": "application/json"},
    ),
    InvalidRequest: Kind(422, "invalid-request", "The request is not valid", errors),
    UnknownTaskType: Kind(
        422,
        "unknown-task-type",
        "There is no such task type",
        lambda error: {"taskType": error.type, "known": list(error.known)},
    ),
    IdempotencyKeyReused: Kind(
        422,
        "idempotency-key-reused",
        "The idempotency key belongs to another request",
        lambda error: {f"{error.what}Id": error.id},
    ),
    ScheduleNotFound: Kind(404, "schedule-not-found", "There is no such schedule"),
    WorkflowNotFound: Kind(404, "workflow-not-found", "There is no such workflow"),
    WorkflowNotAllowed: Kind(
        409,
        "workflow-not-allowed-in-state",
        "The state of the workflow does not allow it",
        lambda error: {"workflowId": error.id, "state": error.state},
    ),
    StoreUnavailable: Kind(
        503,
        "unavailable",
        "The service is not available for now",
        lambda error: {"service": error.service},
        lambda error: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    ),
}


def problem(error: Exception, *, request_id: str) -> Problem:
    """What nobody foresaw is logged whole, and told without a word about the inside but where the log is: Lambda sets
    the variable, and the local system puts the path of a file into it."""
    kind = next((KINDS[cls] for cls in type(error).__mro__ if cls in KINDS), None)
    if kind is None:
        logger.exception("internal error", exc_info=error, extra={"requestId": request_id})
        log = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", "of the function")
        detail = f"request {request_id} failed; its cause is in the log {log}"
        return written(INTERNAL, detail, {"requestId": request_id})
    if kind.status >= 500:
        logger.warning(str(error), extra={"requestId": request_id})
    return written(kind, str(error), kind.fields(error), kind.headers(error))


def written(kind: Kind, detail: str, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Problem:
    document = {
        "type": PREFIX + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": detail[:DETAIL_LIMIT],
        **fields,
    }
    return Problem(kind.status, document, headers or {})
