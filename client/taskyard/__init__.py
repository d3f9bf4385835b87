"""The Taskyard client: submit tasks over HTTP, follow them, move or cancel them while they wait.

    from taskyard import Taskyard

    with Taskyard() as yard:
        task = yard.submit("DELAYED_MESSAGE", {"message": "hello"}, delay=3)
        print(yard.wait(task.id).result)

`AsyncTaskyard` is the same with `await`. The clients are loaded on first use: the HTTP library takes several
tenths of a second to import, which `taskyard --help` need not wait for.
"""

from typing import TYPE_CHECKING, Any

from taskyard.errors import (
    Cause,
    Conflict,
    Forbidden,
    InvalidEndpoint,
    InvalidRequest,
    NoCredentials,
    NoEndpoint,
    NotFound,
    ProblemError,
    TaskyardError,
    Throttled,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
    WaitTimeout,
    WorkflowWaitTimeout,
)
from taskyard.model import (
    Attempt,
    Cancelled,
    Health,
    Lane,
    Outcome,
    Page,
    Progress,
    Redrive,
    Retry,
    Stats,
    Task,
    TaskSpec,
)
from taskyard.notify import EmailTarget, Notification, WebhookTarget
from taskyard.options import ScheduleOptions, TaskOptions, WorkflowOptions
from taskyard.retrying import Backoff
from taskyard.schedule_model import Schedule, SchedulePage
from taskyard.task_types import PayloadField, TaskType
from taskyard.workflow_model import Node, Workflow, WorkflowPage

if TYPE_CHECKING:
    from taskyard.async_client import AsyncTaskyard
    from taskyard.client import Taskyard
    from taskyard.producer import Producer, submit

__all__ = [
    "AsyncTaskyard",
    "Attempt",
    "Backoff",
    "Cancelled",
    "Cause",
    "Conflict",
    "EmailTarget",
    "Forbidden",
    "Health",
    "InvalidEndpoint",
    "InvalidRequest",
    "Lane",
    "NoCredentials",
    "NoEndpoint",
    "Node",
    "NotFound",
    "Notification",
    "Outcome",
    "Page",
    "PayloadField",
    "ProblemError",
    "Producer",
    "Progress",
    "Redrive",
    "Retry",
    "Schedule",
    "ScheduleOptions",
    "SchedulePage",
    "Stats",
    "Task",
    "TaskOptions",
    "TaskSpec",
    "TaskType",
    "Taskyard",
    "TaskyardError",
    "Throttled",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Unreachable",
    "WaitTimeout",
    "WebhookTarget",
    "Workflow",
    "WorkflowOptions",
    "WorkflowPage",
    "WorkflowWaitTimeout",
    "submit",
]


def __getattr__(name: str) -> Any:
    if name == "Taskyard":
        from taskyard.client import Taskyard

        return Taskyard
    if name == "AsyncTaskyard":
        from taskyard.async_client import AsyncTaskyard

        return AsyncTaskyard
    if name in ("Producer", "submit"):
        from taskyard import producer

        return getattr(producer, name)
    raise AttributeError(f"module 'taskyard' has no attribute {name!r}")
