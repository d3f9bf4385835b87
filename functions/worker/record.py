"""What an attempt writes while it runs: effects, progress, log lines."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.tasks.effects import Effect

from functions.core.payloads.masking import NO_REDACTION, Redaction
from functions.core.task import Task
from functions.store.effects import Effects
from functions.store.tasks import TaskStore, Wrote

logger = logging.getLogger("taskyard.handler")


@dataclass(frozen=True)
class AttemptRecorder:
    """`clock`: epoch ms."""

    task: Task
    tasks: TaskStore
    effects: Effects
    clock: Callable[[], int]
    redaction: Redaction = NO_REDACTION
    """Of the task's payload."""
    _tokens: dict[str, str] = field(default_factory=dict)
    """Of the effects that are reserved for this attempt. One a reservation, not one an attempt: a handler that asks for
    the same effect twice is told what became of the first, as any other attempt is."""

    def reserve(self, name: str) -> Effect | None:
        token = uuid.uuid4().hex
        found = self.effects.reserve(self.task, name, token=token, now=self.clock())
        if found is None:
            self._tokens[name] = token
        return found

    def record(self, name: str, result: str | None, problem: str | None) -> Effect:
        return self.effects.record(self.task, name, result, problem, token=self._tokens[name])

    def release(self, name: str) -> None:
        self.effects.give_back(self.task, name, token=self._tokens.pop(name))

    def progress(self, fraction: float, note: str) -> bool:
        answer = self.tasks.progress(self.task, fraction=fraction, note=self.redaction.text(note), now=self.clock())
        return isinstance(answer, Wrote)

    def log(self, line: str, fields: Mapping[str, Any]) -> None:
        extra = {"taskId": self.task.id, "taskType": self.task.type, "attempt": self.task.attempt}
        clean = self.redaction.value(dict(fields))
        logger.info(self.redaction.text(line), extra=extra | {"fields": clean})
