"""A task as the API answers it, typed. Fields that this version does not know are kept in `raw` and otherwise ignored,
so that a newer server does not break an older client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from taskyard.api.json_fields import Json, mapping_of, strings_of
from taskyard.api.notifications import Notification, Targets, notifications_of
from taskyard.times import instant_of

SETTLED_STATES = frozenset({"SUCCESS", "FAILED", "DEAD", "CANCELLED", "SKIPPED"})
"""The states that no task leaves by itself (docs/state-machine.md)."""

_STARTED_STATES = frozenset({"RUNNING", "SUCCESS", "FAILED", "DEAD"})
"""The states of a task whose `started_at` belongs to its present due time."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How a task is retried. A field that is None is decided by the policy of the task type; pauses are in seconds."""

    strategy: Literal["exponential", "fixed"] | None = None
    base_seconds: float | None = None
    max_seconds: float | None = None
    jitter: bool | float | None = None

    @classmethod
    def from_json(cls, document: Json) -> "Retry":
        return cls(
            strategy=document.get("strategy"),
            base_seconds=document.get("baseSeconds"),
            max_seconds=document.get("maxSeconds"),
            jitter=document.get("jitter"),
        )

    def to_json(self) -> dict[str, Any]:
        fields = {
            "strategy": self.strategy,
            "baseSeconds": self.base_seconds,
            "maxSeconds": self.max_seconds,
            "jitter": self.jitter,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of the task's handler. `outcome` is SUCCESS, RETRY, FAILED, LOST …; None while it runs."""

    number: int
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    error_type: str | None = None
    error: str | None = None
    where: str | None = None
    traceback: str | None = None
    log: tuple[Any, ...] = ()

    @classmethod
    def from_json(cls, document: Json) -> "Attempt":
        return cls(
            number=int(document.get("number", 0)),
            started_at=instant_of(document, "startedAt"),
            ended_at=instant_of(document, "endedAt"),
            outcome=document.get("outcome"),
            error_type=document.get("errorType"),
            error=document.get("error"),
            where=document.get("where"),
            traceback=document.get("traceback"),
            log=tuple(document.get("log") or ()),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """The last progress that the handler reported: a fraction from 0 to 1 and a note."""

    fraction: float | None = None
    note: str | None = None
    at: datetime | None = None

    @classmethod
    def from_json(cls, document: Json) -> "Progress":
        return cls(document.get("fraction"), document.get("note"), instant_of(document, "at"))


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was when it was read. `state` is a plain string, so that a state of a newer server passes through.
    notifications: the delivery to each target of its `notify`; not in lists."""

    id: str
    type: str
    state: str
    priority: int | None = None
    lane: str | None = None
    payload: Any = None
    result: Any = None
    run_at: datetime | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = 0
    max_attempts: int | None = None
    max_retries: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout_seconds: float | None = None
    idempotency_key: str | None = None
    submitted_by: str | None = None
    """The id of the task whose handler submitted it. None: a caller or a schedule did."""
    tags: Mapping[str, str] = field(default_factory=dict)
    generation: int | None = None
    dependencies: tuple[str, ...] = ()
    notifications: tuple[Notification, ...] = ()
    progress: Progress | None = None
    attempts: tuple[Attempt, ...] = ()
    reason: str | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @property
    def settled(self) -> bool:
        """Whether it is in a state that no task leaves by itself."""
        return self.state in SETTLED_STATES

    @property
    def succeeded(self) -> bool:
        return self.state == "SUCCESS"

    @property
    def due_at(self) -> datetime | None:
        """When its latest attempt could start, or its next one can: its run time, or its creation if that was later."""
        times = [time for time in (self.run_at, self.created_at) if time is not None]
        return max(times) if times else None

    @property
    def drift_seconds(self) -> float | None:
        """Seconds from its due time to the start of its latest attempt; None while it waits for one, or never had
        any."""
        if self.state not in _STARTED_STATES or self.due_at is None or self.started_at is None:
            return None
        return (self.started_at - self.due_at).total_seconds()

    @classmethod
    def from_json(cls, document: Json) -> "Task":
        progress = document.get("progress")
        return cls(
            id=str(document["id"]),
            type=str(document["type"]),
            state=str(document["state"]),
            priority=document.get("priority"),
            lane=document.get("lane"),
            payload=document.get("payload"),
            result=document.get("result"),
            run_at=instant_of(document, "runAt"),
            created_at=instant_of(document, "createdAt"),
            started_at=instant_of(document, "startedAt"),
            ended_at=instant_of(document, "endedAt"),
            attempt=int(document.get("attempt") or 0),
            max_attempts=document.get("maxAttempts"),
            max_retries=document.get("maxRetries"),
            retry=Retry.from_json(mapping_of(document, "retry")),
            timeout_seconds=document.get("timeoutSeconds"),
            idempotency_key=document.get("idempotencyKey"),
            submitted_by=mapping_of(document, "submittedBy").get("task"),
            tags=dict(mapping_of(document, "tags")),
            generation=document.get("generation"),
            dependencies=strings_of(document, "dependencies"),
            notifications=notifications_of(document),
            progress=Progress.from_json(progress) if isinstance(progress, Mapping) else None,
            attempts=tuple(
                Attempt.from_json(item) for item in document.get("attempts") or () if isinstance(item, Mapping)
            ),
            reason=document.get("reason"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, newest first. `cursor` is None on the last one."""

    tasks: tuple[Task, ...]
    cursor: str | None = None

    @classmethod
    def from_json(cls, document: Json) -> "Page":
        return cls(tuple(Task.from_json(item) for item in document["tasks"]), document.get("cursor") or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task to submit, one of many: the arguments of `submit`."""

    type: str
    payload: Any = None
    run_at: datetime | None = None
    delay: float | timedelta | None = None
    priority: int | str | None = None
    max_retries: int | None = None
    retry: Retry | Mapping[str, Any] | None = None
    timeout: float | timedelta | None = None
    idempotency_key: str | None = None
    tags: Mapping[str, str] | None = None
    dependencies: Sequence[str] | None = None
    notify: Targets | None = None
