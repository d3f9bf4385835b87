"""The Taskyard client: submit tasks over HTTP, follow them, move or cancel them while they wait.

    from taskyard import Taskyard

    with Taskyard() as yard:
        task = yard.submit("DELAYED_MESSAGE", {"message": "hello"}, delay=3)
        print(yard.wait(task.id).result)

`AsyncTaskyard` is the same with `await`. Every name is loaded when it is first used: the deployed functions import
`taskyard.tasks` only, and `taskyard --help` does not wait for the HTTP library, which takes several tenths of a second.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from taskyard.api.audit import AuditRecord
    from taskyard.api.dead_letters import Redrive
    from taskyard.api.monitor import Health, Lane, Stats
    from taskyard.api.notifications import EmailTarget, Notification, WebhookTarget
    from taskyard.api.schedules.calls import ScheduleOptions
    from taskyard.api.schedules.models import Schedule, SchedulePage
    from taskyard.api.task_types import PayloadField, TaskType
    from taskyard.api.tasks.batch import Outcome
    from taskyard.api.tasks.bulk_cancel import Cancelled
    from taskyard.api.tasks.calls import TaskOptions
    from taskyard.api.tasks.models import Attempt, Page, Progress, Retry, Task, TaskSpec
    from taskyard.api.tasks.waiting import WaitTimeout
    from taskyard.api.workflows.calls import WorkflowOptions
    from taskyard.api.workflows.models import Node, Workflow, WorkflowPage
    from taskyard.api.workflows.waiting import WorkflowWaitTimeout
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
    )
    from taskyard.producer import Producer, submit
    from taskyard.transport.retries import Backoff

__all__ = [
    "AsyncTaskyard",
    "Attempt",
    "AuditRecord",
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
    "Attempt": "api.tasks.models",
    "AuditRecord": "api.audit",
    "Backoff": "transport.retries",
    "Cancelled": "api.tasks.bulk_cancel",
    "Cause": "errors",
    "Conflict": "errors",
    "EmailTarget": "api.notifications",
    "Forbidden": "errors",
    "Health": "api.monitor",
    "InvalidEndpoint": "errors",
    "InvalidRequest": "errors",
    "Lane": "api.monitor",
    "NoCredentials": "errors",
    "NoEndpoint": "errors",
    "Node": "api.workflows.models",
    "NotFound": "errors",
    "Notification": "api.notifications",
    "Outcome": "api.tasks.batch",
    "Page": "api.tasks.models",
    "PayloadField": "api.task_types",
    "ProblemError": "errors",
    "Producer": "producer",
    "Progress": "api.tasks.models",
    "Redrive": "api.dead_letters",
    "Retry": "api.tasks.models",
    "Schedule": "api.schedules.models",
    "ScheduleOptions": "api.schedules.calls",
    "SchedulePage": "api.schedules.models",
    "Stats": "api.monitor",
    "Task": "api.tasks.models",
    "TaskOptions": "api.tasks.calls",
    "TaskSpec": "api.tasks.models",
    "TaskType": "api.task_types",
    "Taskyard": "client",
    "TaskyardError": "errors",
    "Throttled": "errors",
    "TooLarge": "errors",
    "Unauthorized": "errors",
    "Unavailable": "errors",
    "UnexpectedAnswer": "errors",
    "Unreachable": "errors",
    "WaitTimeout": "api.tasks.waiting",
    "WebhookTarget": "api.notifications",
    "Workflow": "api.workflows.models",
    "WorkflowOptions": "api.workflows.calls",
    "WorkflowPage": "api.workflows.models",
    "WorkflowWaitTimeout": "api.workflows.waiting",
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
