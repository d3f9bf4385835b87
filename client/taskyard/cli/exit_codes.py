"""The exit codes of `taskyard`. `taskyard --help` prints this table."""

from enum import IntEnum

from taskyard.errors import (
    Forbidden,
    NoCredentials,
    NoEndpoint,
    NotFound,
    ProblemError,
    TaskyardError,
    Throttled,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from taskyard.extras import MissingExtra
from taskyard.login.errors import InvalidIssuer, IssuerUnreachable, LoginError


class ExitCode(IntEnum):
    OK = 0
    TASK_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    UNAVAILABLE = 5
    NOT_ALLOWED = 6
    MISSING_EXTRA = 7
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done",
    ExitCode.TASK_FAILED: "a task or workflow that the command waited for or watched ended, but not in SUCCESS",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.NOT_FOUND: "no such task, workflow or schedule",
    ExitCode.REFUSED: "refused: the request is invalid, or the task's state does not allow it",
    ExitCode.UNAVAILABLE: "no Taskyard API at the URL, or it or the issuer of tokens is not available now",
    ExitCode.NOT_ALLOWED: "no credentials, no login, or not allowed (401, 403)",
    ExitCode.MISSING_EXTRA: "this needs an extra of the package, which is not installed (pip install 'taskyard[cli]')",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
}


def exit_code_of(error: TaskyardError) -> ExitCode:
    if isinstance(error, MissingExtra):
        return ExitCode.MISSING_EXTRA
    if isinstance(error, NotFound):
        return ExitCode.NOT_FOUND
    if isinstance(error, IssuerUnreachable | InvalidIssuer):
        return ExitCode.UNAVAILABLE
    if isinstance(error, Unauthorized | Forbidden | NoCredentials | LoginError):
        return ExitCode.NOT_ALLOWED
    if isinstance(error, Unreachable | NoEndpoint | UnexpectedAnswer | Unavailable | Throttled):
        return ExitCode.UNAVAILABLE
    return ExitCode.REFUSED if isinstance(error, ProblemError) else ExitCode.UNAVAILABLE
