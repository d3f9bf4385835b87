"""What `@task` declares of a handler."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import TYPE_CHECKING, Any

from taskyard.tasks.retry import RetryPolicy

if TYPE_CHECKING:
    from pydantic import TypeAdapter

DEFAULT_TIMEOUT_SECONDS = 30
"""Of a type that declares none; less where workers have less."""


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

    @property
    def file(self) -> str:
        """Of the handler's code: by it, frames of a traceback are recognised as the handler's own."""
        code: CodeType = inspect.unwrap(self.handler).__code__
        return code.co_filename

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring, else of its module's. Empty when there is none."""
        for owner in (inspect.unwrap(self.handler), inspect.getmodule(self.handler)):
            if text := inspect.getdoc(owner):
                return text.partition("\n")[0]
        return ""

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Of a type with a payload_model. Raises what pydantic raises for an annotation that it cannot check."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.payload_model)

    def validate(self, payload: Any) -> Any:
        """The payload as the handler takes it: validated as the JSON that it is, so strict models take dates and UUIDs.
        Raises pydantic's ValidationError, and what a validator of the model raises."""
        return payload if self.payload_model is None else self.adapter.validate_json(json.dumps(payload))
