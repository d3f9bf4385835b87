"""What can go wrong, as types. Everything that this package raises of itself is a TaskyardError, except ValueError
for an argument that no server need be asked about (a naive datetime, a run time given twice)."""

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskyard.model import Task
    from taskyard.workflow_model import Workflow


class TaskyardError(Exception):
    """The base of all."""


class NoEndpoint(TaskyardError):
    """No URL was given and none was found."""


class InvalidEndpoint(NoEndpoint):
    """The URL that was given, or found, is not one that requests are sent to."""


class NoCredentials(TaskyardError):
    """Asked to sign with AWS credentials, and there are none, or no region."""


class Cause(StrEnum):
    """What kept an answer from coming."""

    NAME = "name"
    """The host's name is not known."""
    REFUSED = "refused"
    """Nothing listens there."""
    TLS = "tls"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    """What came is no HTTP."""
    OTHER = "other"


class Unreachable(TaskyardError):
    """No answer came. Whether the request was carried out is unknown; sent again, it is the same request."""

    def __init__(self, url: str, reason: str, cause: Cause = Cause.OTHER) -> None:
        super().__init__(f"no answer from {url}: {reason}")
        self.url = url
        self.reason = reason
        self.cause = cause


class UnexpectedAnswer(TaskyardError):
    """A success that is not what the API answers: the URL is probably another server's."""

    def __init__(self, status: int, excerpt: str) -> None:
        super().__init__(f"status {status} with a body that is not Taskyard's: {one_line(excerpt)}")
        self.status = status


class WaitTimeout(TaskyardError, TimeoutError):
    """The task had not settled in the time that `wait` was given. `task` is how it was last seen."""

    def __init__(self, task: "Task", seconds: float) -> None:
        super().__init__(f"task {task.id} is still {task.state} after {seconds:g} s")
        self.task = task


class WorkflowWaitTimeout(TaskyardError, TimeoutError):
    """The workflow had not ended in the time that `wait` was given. `workflow` is how it was last seen."""

    def __init__(self, workflow: "Workflow", seconds: float) -> None:
        super().__init__(f"workflow {workflow.id} is still {workflow.state} after {seconds:g} s")
        self.workflow = workflow


class ProblemError(TaskyardError):
    """The server refused: its problem document (RFC 9457).

    `errors` has one {"field": "payload.to", "message": "..."} for each field at fault; `fields` the whole document.
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
        # A detail that is the list in one line is not said a second time.
        repeated = bool(listed) and all(one_line(each) in one_line(detail) for each in listed)
        head = f"{status} {title}" + (f": {detail}" if detail and not repeated else "")
        super().__init__("\n".join([one_line(head), *(f"  {one_line(each)}" for each in listed)]))


class InvalidRequest(ProblemError):
    """400 or 422: the request as sent can never be accepted."""


class Unauthorized(ProblemError):
    """401: no credentials, or ones that are not valid (any more)."""


class Forbidden(ProblemError):
    """403: this caller may not do this; also what API Gateway answers to an unsigned request."""


class NotFound(ProblemError):
    """404: no such task of this caller, or it has expired."""


class Conflict(ProblemError):
    """409: the task's state does not allow it (any more)."""


class TooLarge(ProblemError):
    """413: above what the API takes."""


class Throttled(ProblemError):
    """429, still after the retries."""


class Unavailable(ProblemError):
    """5xx, still after the retries where they make sense."""


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
    """What another side sent, as it may stand in a line of ours."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def problem(status: int, body: bytes) -> ProblemError:
    """The error for an answer of 400 and above, whether Taskyard wrote it or a gateway in front of it
    ({"message": "Forbidden"}, an HTML page, nothing)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return problem_of(status, document if isinstance(document, Mapping) else {})


def problem_of(status: int, fields: Mapping[str, Any]) -> ProblemError:
    """The error for a problem document. The status that came with it stands, whatever the document says."""
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
