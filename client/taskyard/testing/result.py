"""How a run of a handler ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from taskyard.tasks.effects import Effect
from taskyard.tasks.http import HttpRequest
from taskyard.testing.recorder import Mail

Outcome = Literal["SUCCESS", "RETRY", "FAILED", "DEAD", "LEASE_LOST"]


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """`outcome`: the state that the task would be in, or LEASE_LOST when the attempt's fence was refused and nothing
    would be recorded. `result`: as JSON has it. `error`: what the handler raised. `retry_seconds`: until the next
    attempt, for RETRY. `progress`: each report, fraction and note. `effects`: by name, what a later attempt would find;
    given to run_task as `effects`, the handler goes on from there. `submits`: by name, the body of POST /tasks."""

    outcome: Outcome
    result: Any = None
    error: BaseException | None = None
    retry_seconds: float | None = None
    log: Sequence[str] = ()
    progress: Sequence[tuple[float, str]] = ()
    effects: Mapping[str, Effect] = field(default_factory=dict)
    mails: Sequence[Mail] = ()
    requests: Sequence[HttpRequest] = ()
    submits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
