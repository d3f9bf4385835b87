"""The handler API: what the file of a task type imports.

    from taskyard.tasks import Context, task

    @task("RESIZE_IMAGE")
    def resize_image(ctx: Context, payload: Image) -> dict[str, int]: ...

It needs the standard library only; a name is loaded when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskyard.tasks.context import Context
    from taskyard.tasks.declaration import task
    from taskyard.tasks.effects import Effect
    from taskyard.tasks.errors import (
        InDoubt,
        LeaseLost,
        NotSubmitted,
        Permanent,
        ResultNotStored,
        Retry,
        TaskFileError,
    )
    from taskyard.tasks.http import HttpClient, HttpRequest, HttpResponse
    from taskyard.tasks.mail import Mail
    from taskyard.tasks.retry import RetryPolicy
    from taskyard.tasks.sensitive import Sensitive
    from taskyard.tasks.submits import Submit
    from taskyard.tasks.task_type import TaskType

__all__ = [
    "Context",
    "Effect",
    "HttpClient",
    "HttpRequest",
    "HttpResponse",
    "InDoubt",
    "LeaseLost",
    "Mail",
    "NotSubmitted",
    "Permanent",
    "ResultNotStored",
    "Retry",
    "RetryPolicy",
    "Sensitive",
    "Submit",
    "TaskFileError",
    "TaskType",
    "task",
]

_MODULES = {
    "Context": "context",
    "Effect": "effects",
    "HttpClient": "http",
    "HttpRequest": "http",
    "HttpResponse": "http",
    "InDoubt": "errors",
    "LeaseLost": "errors",
    "Mail": "mail",
    "NotSubmitted": "errors",
    "Permanent": "errors",
    "ResultNotStored": "errors",
    "Retry": "errors",
    "RetryPolicy": "retry",
    "Sensitive": "sensitive",
    "Submit": "submits",
    "TaskFileError": "errors",
    "TaskType": "task_type",
    "task": "declaration",
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
