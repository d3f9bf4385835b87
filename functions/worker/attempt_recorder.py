"""What an attempt writes while it runs: side effects, progress, log lines."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from taskyard.tasks.effects import Effect
from taskyard.tasks.submits import Submit

from functions.aws.secrets import HandlerSecrets
from functions.core.payloads.masking import SecretRedactor
from functions.core.task import Task
from functions.store.effects import Effects
from functions.store.tasks import Applied, TaskStore

if TYPE_CHECKING:
    # Imported when the first handler submits.
    from functions.intake.children import ChildSubmission

logger = logging.getLogger("taskyard.handler")


@dataclass(frozen=True)
class AttemptRecorder:
    """`clock`: epoch ms. `redactor`: removes the sensitive values of the task's payload."""

    task: Task
    tasks: TaskStore
    effects: Effects
    clock: Callable[[], int]
    redactor: SecretRedactor
    children: Callable[[], ChildSubmission]
    handler_secrets: HandlerSecrets
    _tokens: dict[str, str] = field(default_factory=dict)
    """By name of the effects that are reserved for this attempt. Each reservation has a token of its own: a handler
    that asks for the same effect twice gets the result of the first, as any other attempt does."""

    def reserve(self, name: str) -> Effect | None:
        token = uuid.uuid4().hex
        existing = self.effects.reserve(self.task, name, token=token, now=self.clock())
        if existing is None:
            self._tokens[name] = token
        return existing

    def record(self, name: str, result: str | None, problem: str | None) -> Effect:
        return self.effects.record(self.task, name, result, problem, token=self._tokens[name])

    def release(self, name: str) -> None:
        self.effects.cancel_reservation(self.task, name, token=self._tokens.pop(name))

    def progress(self, fraction: float, note: str) -> bool:
        result = self.tasks.progress(
            self.task, fraction=fraction, note=self.redactor.redact_text(note), now=self.clock()
        )
        return isinstance(result, Applied)

    def submit(self, submits: Sequence[Submit]) -> list[str]:
        submitted = self.children().submit(self.task, submits, now=self.clock())
        return [each.task.id for each in submitted]

    def secret(self, name: str) -> str:
        value = self.handler_secrets.read(self.task.tenant, name)
        self.redactor.add(value)
        return value

    def log(self, line: str, fields: Mapping[str, Any]) -> None:
        extra = {"taskId": self.task.id, "taskType": self.task.type, "attempt": self.task.attempt}
        redacted_fields = self.redactor.redact_value(dict(fields))
        logger.info(self.redactor.redact_text(line), extra=extra | {"fields": redacted_fields})
