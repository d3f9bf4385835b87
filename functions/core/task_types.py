"""The task types of a deployment, found by name. Handlers declare them with `@task` (client/taskyard/tasks)."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

from taskyard.tasks.declaration import DEFAULT_TIMEOUT_SECONDS
from taskyard.tasks.retry import RetryPolicy
from taskyard.tasks.task_type import TaskType

from functions.core.errors import FieldError, InvalidRequest, UnknownTaskType
from functions.core.fields import field_errors, path
from functions.core.payloads.masking import STARS, Mask, Redaction, places

if TYPE_CHECKING:
    from functions.core.payloads.sensitive import SensitiveParts


@dataclass(frozen=True, kw_only=True)
class RegisteredType:
    """A task type that tasks may have. `declaration`: what its handler's file declares."""

    declaration: TaskType

    @property
    def name(self) -> str:
        return self.declaration.name

    @property
    def names(self) -> tuple[str, ...]:
        return self.declaration.names

    @property
    def retry(self) -> RetryPolicy:
        return self.declaration.retry

    @property
    def is_coroutine(self) -> bool:
        return self.declaration.is_coroutine

    @property
    def handler(self) -> Any:
        return self.declaration.handler

    @property
    def handler_file(self) -> str:
        """Of the handler's code: the frames of its own in a traceback."""
        return str(inspect.unwrap(self.handler).__code__.co_filename)

    def timeout_problem(self, seconds: Any) -> str | None:
        """What is wrong with a `timeoutSeconds` that a task asks for. None: nothing, or it is no number at all."""
        least = self.declaration.least_timeout_seconds
        if isinstance(seconds, int | float) and seconds < least:
            return f"must be at least {least} for {self.name}: in less it can do nothing"
        return None

    def timeout(self, limit: int) -> int:
        """Seconds that an attempt may run. `limit`: the most that a worker gives; what a type declares is below it, or
        the stack is not synthesized (functions/build/task_files.py)."""
        declared = self.declaration.timeout_seconds
        return min(DEFAULT_TIMEOUT_SECONDS, limit) if declared is None else declared

    @cached_property
    def _sensitive(self) -> SensitiveParts:
        from functions.core.payloads.sensitive import SensitiveParts

        return SensitiveParts(self.declaration.adapter.core_schema)

    def mask(self, payload: Any) -> Mask | None:
        """Of the parts of this payload that only the handler may see; None when there are none."""
        return None if self.declaration.payload_model is None else self._sensitive.mask(payload)

    def accept(self, payload: Any) -> Mask | None:
        """Checks the payload of a request; the mask to store with it. Raises InvalidRequest."""
        mask = self.mask(payload)
        starred = [path("payload", *where) for where, value in places(mask, payload) if value == STARS]
        errors = [FieldError(where, "holds the mask of a value, not the value itself") for where in starred]
        try:
            self.parse(payload)
        except InvalidRequest as error:
            errors += [each for each in error.errors if each.field not in starred]
        if errors:
            raise InvalidRequest(errors)
        return mask

    def parse(self, payload: Any) -> Any:
        """The payload as the handler takes it. Raises InvalidRequest with the path of every field that does not fit. No
        error quotes what is sensitive."""
        if self.declaration.payload_model is None:
            return payload
        from pydantic import ValidationError

        try:
            return self.declaration.validate(payload)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False, include_context=False)
            redaction = Redaction.of(self.mask(payload), payload)
            errors = field_errors(details, payload, under="payload")
            raise InvalidRequest([FieldError(each.field, redaction.text(each.message)) for each in errors]) from None
        except Exception as error:
            # Of a validator of the model's own.
            text = f"{type(error).__name__}: {error}"
            clean = Redaction.of(self.mask(payload), payload).text(text)
            if clean == text:
                raise
            raise RuntimeError(clean).with_traceback(error.__traceback__) from None


@dataclass(frozen=True)
class Registry:
    types: dict[str, RegisteredType] = field(default_factory=dict)
    """By every name that is accepted."""

    def find(self, name: str) -> RegisteredType:
        """Raises UnknownTaskType, which lists the known ones."""
        registered = self.types.get(name)
        if registered is None:
            raise UnknownTaskType(name, self.known())
        return registered

    def known(self) -> list[str]:
        return sorted(self.types)


def registry(types: Iterator[RegisteredType]) -> Registry:
    """Raises ValueError when two handlers claim one name: which one runs must not depend on the order of files."""
    by_name: dict[str, RegisteredType] = {}
    for each in types:
        for name in each.names:
            if name in by_name and by_name[name].handler is not each.handler:
                raise ValueError(f"task type {name!r} has two handlers: {by_name[name].handler} and {each.handler}")
            by_name[name] = each
    return Registry(by_name)


def discover(package: ModuleType) -> Registry:
    """The task types of every module of `package`. A module that cannot be imported raises: better no deploy
    than one that has lost a handler."""
    declarations = (each for name in modules(package) for each in types_of(importlib.import_module(name)))
    return registry(RegisteredType(declaration=each) for each in declarations)


def modules(package: ModuleType) -> Iterator[str]:
    """Of the files that stand directly in it."""
    return (f"{package.__name__}.{info.name}" for info in pkgutil.iter_modules(package.__path__))


def types_of(module: ModuleType) -> Iterator[TaskType]:
    for value in vars(module).values():
        if isinstance(declaration := getattr(value, "__task_type__", None), TaskType):
            yield declaration
