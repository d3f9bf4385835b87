"""Task types: a handler, its payload's model, its policy. One file of functions/tasks/ each, found by `discover`."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from functions.core.errors import FieldError, InvalidRequest, UnknownTaskType
from functions.core.fields import field_errors, path
from functions.core.payloads.masking import STARS, Mask, Redaction, places
from functions.core.retry import RetryPolicy, policy_faults

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from functions.core.payloads.sensitive import SensitiveParts

DEFAULT_TIMEOUT_SECONDS = 30
"""Of a type that declares none; less where workers have less."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Names stand in URLs, metrics and the names of schemas in /openapi.json as they are."""


class TaskFileError(TypeError):
    """A task file is wrong. `file`, `line`: where; `message`: what, and how to put it right."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message
        super().__init__(f"{file}:{line}: {message}")


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """`names[0]` is the name that is stored and shown; the others are accepted for it."""

    names: tuple[str, ...]
    handler: Callable[..., Any]
    payload_model: Any
    """The payload's annotation: a pydantic model, or anything else that pydantic's TypeAdapter takes. None: the handler
    takes the payload as it came."""
    retry: RetryPolicy
    timeout_seconds: int | None = None
    """None: not declared."""
    least_timeout_seconds: int = 1
    """Of an attempt that can do anything at all: a task may not ask for less."""

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def is_coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.handler)

    def timeout_problem(self, seconds: Any) -> str | None:
        """What is wrong with a `timeoutSeconds` that a task asks for; None: nothing, or it is no number at all."""
        if isinstance(seconds, int | float) and seconds < self.least_timeout_seconds:
            return f"must be at least {self.least_timeout_seconds} for {self.name}: in less it can do nothing"
        return None

    def timeout(self, limit: int) -> int:
        """Seconds that an attempt may run. `limit`: the most that a worker gives; what a type declares is below it, or
        the stack is not synthesized (functions/build/task_files.py)."""
        return min(DEFAULT_TIMEOUT_SECONDS, limit) if self.timeout_seconds is None else self.timeout_seconds

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Of a type with a payload_model. Raises what pydantic raises for an annotation that it cannot check."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.payload_model)

    @cached_property
    def _sensitive(self) -> SensitiveParts:
        from functions.core.payloads.sensitive import SensitiveParts

        return SensitiveParts(self.adapter.core_schema)

    def mask(self, payload: Any) -> Mask | None:
        """Of the parts of this payload that only the handler may see; None when there are none."""
        return None if self.payload_model is None else self._sensitive.mask(payload)

    def accept(self, payload: Any) -> Mask | None:
        """Checks the payload of a request; the mask to store with it. Raises InvalidRequest."""
        mask = self.mask(payload)
        starred = [path("payload", *where) for where, value in places(mask, payload) if value == STARS]
        errors = [FieldError(where, "holds the mask of a value, not the value itself") for where in starred]
        try:
            self.parse(payload)
        except InvalidRequest as refused:
            errors += [error for error in refused.errors if error.field not in starred]
        if errors:
            raise InvalidRequest(errors)
        return mask

    def parse(self, payload: Any) -> Any:
        """The payload as the handler takes it: validated as the JSON that it is, so strict models take dates and UUIDs.
        Raises InvalidRequest with the path of every field that does not fit. No error quotes what is sensitive."""
        if self.payload_model is None:
            return payload
        from pydantic import ValidationError

        try:
            return self.adapter.validate_json(json.dumps(payload))
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            redaction = Redaction.of(self.mask(payload), payload)
            errors = field_errors(found, payload, under="payload")
            raise InvalidRequest([FieldError(each.field, redaction.text(each.message)) for each in errors]) from None
        except Exception as error:
            # Of a validator of the model's own.
            text = f"{type(error).__name__}: {error}"
            clean = Redaction.of(self.mask(payload), payload).text(text)
            if clean == text:
                raise
            raise RuntimeError(clean).with_traceback(error.__traceback__) from None


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
    file, line = caller()
    faults = (
        *name_faults(names),
        *timeout_faults(timeout_seconds, least_timeout_seconds),
        *policy_faults(retry or RetryPolicy()),
    )
    for fault in faults:
        raise TaskFileError(file, line, fault)

    def mark(handler: Callable[..., Any]) -> Callable[..., Any]:
        file, line = caller()
        for fault in handler_faults(handler):
            raise TaskFileError(file, line, fault)
        try:
            model = payload_model(handler)
        except Exception as error:
            raise TaskFileError(file, line, unresolved(handler, error)) from error
        handler.__task_type__ = TaskType(  # type: ignore[attr-defined]
            names=names,
            handler=handler,
            payload_model=model,
            retry=retry or RetryPolicy(),
            timeout_seconds=timeout_seconds,
            least_timeout_seconds=least_timeout_seconds,
        )
        return handler

    return mark


def caller() -> tuple[str, int]:
    """File and line that called who calls this."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


def name_faults(names: tuple[Any, ...]) -> Iterator[str]:
    if not names:
        yield "@task needs the name of the task type: write @task('SEND_EMAIL')"
    for name in names:
        if not isinstance(name, str):
            yield f"@task takes names only, not {type(name).__name__}: write @task('SEND_EMAIL') above the function"
        elif not NAME.fullmatch(name):
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
            written = ", ".join(map(str, parameters))
            yield f"{handler.__qualname__} must take (ctx, payload), not ({written})"


def payload_model(handler: Callable[..., Any]) -> Any:
    """The annotation of the second parameter; None when there is none, or when it lets anything through. No other
    annotation is looked at: what only type checkers need may stand under TYPE_CHECKING."""
    inner = inspect.unwrap(handler)
    name = list(inspect.signature(handler).parameters)[1]
    written = annotations_of(inner).get(name)

    def alone() -> None: ...

    alone.__annotations__ = {name: written}
    # Closures see the names of the function around them, which annotations as text do not.
    around = inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
    known = getattr(inner, "__globals__", {})
    hints = typing.get_type_hints(alone, globalns=known, localns=around, include_extras=True)
    annotation = hints.get(name)
    return None if written is None or annotation in (Any, object, inspect.Parameter.empty) else annotation


def annotations_of(function: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return dict(annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF))
    return dict(getattr(function, "__annotations__", {}))


def unresolved(handler: Callable[..., Any], error: Exception) -> str:
    parameter = list(inspect.signature(handler).parameters)[1]
    what = f"the annotation of {parameter} cannot be resolved ({type(error).__name__}: {error})"
    return f"{what}: define or import its type above the handler, and not under TYPE_CHECKING"


@dataclass(frozen=True)
class Registry:
    types: dict[str, TaskType] = field(default_factory=dict)
    """By every name that is accepted."""

    def find(self, name: str) -> TaskType:
        """Raises UnknownTaskType, which lists the known ones."""
        found = self.types.get(name)
        if found is None:
            raise UnknownTaskType(name, self.known())
        return found

    def known(self) -> list[str]:
        return sorted(self.types)


def registry(types: Iterator[TaskType]) -> Registry:
    """Raises ValueError when two handlers claim one name: which one runs must not depend on the order of files."""
    by_name: dict[str, TaskType] = {}
    for found in types:
        for name in found.names:
            if name in by_name and by_name[name].handler is not found.handler:
                raise ValueError(f"task type {name!r} has two handlers: {by_name[name].handler} and {found.handler}")
            by_name[name] = found
    return Registry(by_name)


def discover(package: ModuleType) -> Registry:
    """The task types of every module of `package`. A module that cannot be imported raises: better no deploy
    than one that has lost a handler."""
    return registry(kind for name in modules(package) for kind in types_of(importlib.import_module(name)))


def modules(package: ModuleType) -> Iterator[str]:
    """Of the files that stand directly in it."""
    return (f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(package.__path__))


def types_of(module: ModuleType) -> Iterator[TaskType]:
    for value in vars(module).values():
        if isinstance(kind := getattr(value, "__task_type__", None), TaskType):
            yield kind
