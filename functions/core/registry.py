"""Task types: a handler, its payload's model, its policy. One file of functions/tasks/ each, found by `discover`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from functions.core.errors import InvalidRequest, UnknownTaskType
from functions.core.fields import field_errors
from functions.core.retry import RetryPolicy

DEFAULT_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class TaskType:
    """`names[0]` is the name that is stored and shown; the others are accepted for it."""

    names: tuple[str, ...]
    handler: Callable[..., Any]
    payload_model: Any
    """A pydantic model, or None: the handler takes the payload as it came."""
    retry: RetryPolicy
    timeout_seconds: int
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

    def parse(self, payload: Any) -> Any:
        """The payload as the handler takes it. Raises InvalidRequest with the path of every field that does not fit."""
        if self.payload_model is None:
            return payload
        from pydantic import ValidationError

        try:
            return self.payload_model.model_validate(payload)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False, include_context=False)
            raise InvalidRequest(field_errors(found, payload, under="payload")) from None


def task(
    *names: str,
    retry: RetryPolicy | None = None,
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS,
    least_timeout_seconds: int = 1,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function `handler(ctx, payload)`, plain or `async`, the handler of the task type `names[0]`.

    A pydantic model as the annotation of `payload` is what a submit is checked against. `least_timeout_seconds`: a task
    that asks for less is refused.
    """
    if not names:
        raise TypeError("@task needs the name of the task type: @task('SEND_EMAIL')")
    if least_timeout_seconds > timeout_seconds:
        raise TypeError(f"@task({names[0]!r}): its time-out of {timeout_seconds} s is below the least that it allows")

    def mark(handler: Callable[..., Any]) -> Callable[..., Any]:
        handler.__task_type__ = TaskType(  # type: ignore[attr-defined]
            names=names,
            handler=handler,
            payload_model=payload_model(handler),
            retry=retry or RetryPolicy(),
            timeout_seconds=timeout_seconds,
            least_timeout_seconds=least_timeout_seconds,
        )
        return handler

    return mark


def payload_model(handler: Callable[..., Any]) -> Any:
    parameters = list(inspect.signature(handler).parameters)
    if len(parameters) != 2:
        raise TypeError(f"handler {handler.__qualname__} must take (ctx, payload), not ({', '.join(parameters)})")
    annotation = typing.get_type_hints(handler).get(parameters[1])
    return annotation if hasattr(annotation, "model_validate") else None


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

    def modules() -> Iterator[TaskType]:
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            for value in vars(module).values():
                if isinstance(kind := getattr(value, "__task_type__", None), TaskType):
                    yield kind

    return registry(modules())
