"""The Taskyard client: submit tasks over HTTP, follow them, move or cancel them while they wait.

    from taskyard import Taskyard

    with Taskyard() as yard:
        task = yard.submit("DELAYED_MESSAGE", {"message": "hello"}, delay=3)
        print(yard.wait(task.id).result)

`AsyncTaskyard` is the same with `await`. Every name is loaded when it is first used: the deployed functions import
`taskyard.tasks` only, and `taskyard --help` does not wait for the HTTP library, which takes several tenths of a second.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskyard.async_client import AsyncTaskyard
    from taskyard.client import Taskyard
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
    from taskyard.producer import Producer, submit
    from taskyard.retrying import Backoff
    from taskyard.schedule_model import Schedule, SchedulePage
    from taskyard.task_types import PayloadField, TaskType
    from taskyard.workflow_model import Node, Workflow, WorkflowPage

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

_MODULES = {
    "AsyncTaskyard": "async_client",
    "Attempt": "model",
    "Backoff": "retrying",
    "Cancelled": "model",
    "Cause": "errors",
    "Conflict": "errors",
    "EmailTarget": "notify",
    "Forbidden": "errors",
    "Health": "model",
    "InvalidEndpoint": "errors",
    "InvalidRequest": "errors",
    "Lane": "model",
    "NoCredentials": "errors",
    "NoEndpoint": "errors",
    "Node": "workflow_model",
    "NotFound": "errors",
    "Notification": "notify",
    "Outcome": "model",
    "Page": "model",
    "PayloadField": "task_types",
    "ProblemError": "errors",
    "Producer": "producer",
    "Progress": "model",
    "Redrive": "model",
    "Retry": "model",
    "Schedule": "schedule_model",
    "ScheduleOptions": "options",
    "SchedulePage": "schedule_model",
    "Stats": "model",
    "Task": "model",
    "TaskOptions": "options",
    "TaskSpec": "model",
    "TaskType": "task_types",
    "Taskyard": "client",
    "TaskyardError": "errors",
    "Throttled": "errors",
    "TooLarge": "errors",
    "Unauthorized": "errors",
    "Unavailable": "errors",
    "UnexpectedAnswer": "errors",
    "Unreachable": "errors",
    "WaitTimeout": "errors",
    "WebhookTarget": "notify",
    "Workflow": "workflow_model",
    "WorkflowOptions": "options",
    "WorkflowPage": "workflow_model",
    "WorkflowWaitTimeout": "errors",
    "submit": "producer",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
