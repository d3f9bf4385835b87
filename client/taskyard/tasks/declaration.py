"""`@task`: makes a function the handler of a task type."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from taskyard.tasks.errors import TaskFileError
from taskyard.tasks.retry import RetryPolicy, policy_faults
from taskyard.tasks.task_type import DEFAULT_TIMEOUT_SECONDS, TaskType

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Names stand in URLs, metrics and the names of schemas in /openapi.json as they are."""


def task(
    *names: str,
    retry: RetryPolicy | None = None,
    timeout_seconds: int | None = None,
    least_timeout_seconds: int = 1,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function `handler(ctx, payload)`, plain or `async`, the handler of the task type `names[0]`.

    The annotation of `payload` is what a submit is checked against: a pydantic model, a TypedDict, a dataclass, or
    whatever else pydantic checks; `Any`: nothing is checked. `least_timeout_seconds`: a task that asks for less is
    refused. Raises TaskFileError for what cannot be a task type.
    """
    file, line = caller_location()
    faults = (
        *name_faults(names),
        *timeout_faults(timeout_seconds, least_timeout_seconds),
        *policy_faults(retry or RetryPolicy()),
    )
    for fault in faults:
        raise TaskFileError(file, line, fault)

    def declare(handler: Callable[..., Any]) -> Callable[..., Any]:
        file, line = caller_location()
        for fault in handler_faults(handler):
            raise TaskFileError(file, line, fault)
        try:
            model = payload_model(handler)
        except Exception as error:
            raise TaskFileError(file, line, unresolved_annotation(handler, error)) from error
        handler.__task_type__ = TaskType(  # type: ignore[attr-defined]
            names=names,
            handler=handler,
            payload_model=model,
            retry=retry or RetryPolicy(),
            timeout_seconds=timeout_seconds,
            least_timeout_seconds=least_timeout_seconds,
        )
        return handler

    return declare


def caller_location() -> tuple[str, int]:
    """File and line of the call of the function that calls this one."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


def name_faults(names: tuple[Any, ...]) -> Iterator[str]:
    if not names:
        yield "@task needs the name of the task type: write @task('SEND_EMAIL')"
    for name in names:
        if not isinstance(name, str):
            yield f"@task takes names only, not {type(name).__name__}: write @task('SEND_EMAIL') above the function"
        elif not NAME_PATTERN.fullmatch(name):
            yield (
                f"{name[:140]!r} cannot be the name of a task type: take up to 128 letters, digits, dots, dashes and "
                "underscores, the first one a letter or digit"
            )
        elif names.count(name) > 1:
            yield f"{name!r} is given twice: remove one"


def timeout_faults(seconds: Any, least: int) -> Iterator[str]:
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1):
        yield f"timeout_seconds must be a whole number of seconds, at least 1, not {seconds!r}"
    elif least > (DEFAULT_TIMEOUT_SECONDS if seconds is None else seconds):
        yield f"the time-out is below the least_timeout_seconds of {least} s that it allows"


def handler_faults(handler: Any) -> Iterator[str]:
    """Why it cannot be a handler: what is run must be a function of two arguments that does its work when it is called
    or awaited."""
    instead = "a handler is a function, `def handler(ctx, payload)` or `async def`"
    if not isinstance(handler, FunctionType):
        kind = "class" if isinstance(handler, type) else type(handler).__name__
        yield f"a {kind} cannot be a handler: {instead}; put one around it"
        return
    # What a decorator of functools.wraps stands around is what is run.
    inner = inspect.unwrap(handler)
    if handler.__name__ == "<lambda>":
        yield f"a lambda cannot be a handler, because its payload has no annotation: {instead}"
    elif inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        yield f"{handler.__qualname__} is a generator, which does nothing when it is called: {instead} without yield"
    elif inspect.iscoroutinefunction(inner) and not inspect.iscoroutinefunction(handler):
        yield f"a decorator of {handler.__qualname__} hides that it is a coroutine: make its wrapper an `async def`"
    else:
        parameters = list(inspect.signature(handler).parameters.values())
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if len(parameters) != 2 or any(each.kind not in positional for each in parameters):
            listed = ", ".join(map(str, parameters))
            yield f"{handler.__qualname__} must take (ctx, payload), not ({listed})"


def payload_model(handler: Callable[..., Any]) -> Any:
    """The annotation of the second parameter; None when there is none, or when it lets anything through. No other
    annotation is looked at: what only type checkers need may stand under TYPE_CHECKING."""
    inner = inspect.unwrap(handler)
    name = list(inspect.signature(handler).parameters)[1]
    annotation = annotations_of(inner).get(name)

    def only_payload() -> None: ...

    only_payload.__annotations__ = {name: annotation}
    # Closures see the names of the function around them, which annotations as text do not.
    around = inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
    known = getattr(inner, "__globals__", {})
    hints = typing.get_type_hints(only_payload, globalns=known, localns=around, include_extras=True)
    model = hints.get(name)
    return None if annotation is None or model in (Any, object, inspect.Parameter.empty) else model


def annotations_of(function: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return dict(annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF))
    return dict(getattr(function, "__annotations__", {}))


def unresolved_annotation(handler: Callable[..., Any], error: Exception) -> str:
    parameter = list(inspect.signature(handler).parameters)[1]
    what = f"the annotation of {parameter} cannot be resolved ({type(error).__name__}: {error})"
    return f"{what}: define or import its type above the handler, and not under TYPE_CHECKING"
