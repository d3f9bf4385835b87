"""The exceptions of this package. Each is a TaskyardError, except ValueError for an argument that is invalid before
anything is sent (a naive datetime, a run time that is given twice)."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any


class TaskyardError(Exception):
    """The base of all exceptions of this package."""


class NoEndpoint(TaskyardError):
    """No URL was given and none was found."""


class InvalidEndpoint(NoEndpoint):
    """The URL, given or found, is not one that requests are sent to."""


class NoCredentials(TaskyardError):
    """There are no credentials to send: no AWS credentials or no region for a signature, or no usable token."""


class Cause(StrEnum):
    """Why no answer came."""

    NAME = "name"
    """The name of the host cannot be resolved."""
    REFUSED = "refused"
    """Nothing listens there."""
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    """The answer is not HTTP."""
    OTHER = "other"


class Unreachable(TaskyardError):
    """No answer came. The server may have carried out the request or not. Sending it again is safe: it has the same
    idempotency key."""

    def __init__(self, url: str, reason: str, cause: Cause = Cause.OTHER) -> None:
        super().__init__(f"no answer from {url}: {reason}")
        self.url = url
        self.reason = reason
        self.cause = cause


class UnexpectedAnswer(TaskyardError):
    """A success whose body is not an answer of this API: the URL is probably that of another server."""

    def __init__(self, status: int, excerpt: str) -> None:
        super().__init__(f"status {status} with a body that is not Taskyard's: {one_line(excerpt)}")
        self.status = status


class ProblemError(TaskyardError):
    """The server refused the request: its problem document (RFC 9457).

    `errors` has one {"field": "payload.to", "message": "..."} for each invalid field; `fields` is the whole document.
    """

    def __init__(
        self,
        type: str,
        status: int,
        title: str,
        detail: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.type = type
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.fields = {"type": type, "status": status, "title": title, "detail": detail, **(fields or {})}
        listed = [f"{error.get('field', '')}: {error.get('message', '')}" for error in self.errors]
        # A detail that repeats the list is left out.
        repeated = bool(listed) and all(one_line(line) in one_line(detail) for line in listed)
        head = f"{status} {title}" + (f": {detail}" if detail and not repeated else "")
        super().__init__("\n".join([one_line(head), *(f"  {one_line(line)}" for line in listed)]))

    @property
    def slug(self) -> str:
        """The last part of `type`, such as no-role; empty where the answer has no type, as those of a gateway."""
        prefix, _, slug = self.type.rpartition(":problem:")
        return slug if prefix else ""


class InvalidRequest(ProblemError):
    """400 or 422: the request as sent can never be accepted."""


class Unauthorized(ProblemError):
    """401: no credentials, or credentials that are not valid (any more), still after a renewal where there is one.
    slug: wrong-token-use for a token that was made for another purpose, such as an ID token."""


class Forbidden(ProblemError):
    """403: the principal may not do this; API Gateway also answers it to an unsigned request. slug: no-role, no-tenant,
    several-tenants or invalid-tenant, where Taskyard itself refuses."""


class NotFound(ProblemError):
    """404: the tenant has no such task, or it has expired."""


class Conflict(ProblemError):
    """409: the state of the task does not allow it (any more)."""


class TooLarge(ProblemError):
    """413: above a size limit of the API."""


class Throttled(ProblemError):
    """429, still after the retries."""


class Unavailable(ProblemError):
    """5xx, after the retries where a retry can help."""


_BY_STATUS: Mapping[int, type[ProblemError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: InvalidRequest,
    422: InvalidRequest,
    429: Throttled,
}


def one_line(text: str) -> str:
    """Text of another system without line breaks and control characters, for a one-line message."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def problem_of_body(status: int, body: bytes) -> ProblemError:
    """The error for an answer of 400 and above, of Taskyard or of a gateway in front of it ({"message": "Forbidden"},
    an HTML page, nothing)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return problem_of(status, document if isinstance(document, Mapping) else {})


def problem_of(status: int, fields: Mapping[str, Any]) -> ProblemError:
    """The error for a problem document. `status` is the HTTP status, which wins over the one in the document."""
    kind = Unavailable if status >= 500 else _BY_STATUS.get(status, ProblemError)
    listed = fields.get("errors")
    return kind(
        type=str(fields.get("type") or "about:blank"),
        status=status,
        # API Gateway writes `message`, AWS's own authorizer `Message`.
        title=str(fields.get("title") or fields.get("message") or fields.get("Message") or kind.__name__),
        detail=str(fields.get("detail") or ""),
        errors=[error for error in listed if isinstance(error, Mapping)] if isinstance(listed, list) else (),
        fields={**fields, "status": status},
    )
