"""What the API answers, typed. Fields that this version does not know are kept in `raw` and otherwise ignored,
so that a newer server does not break an older client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from taskyard.errors import TaskyardError, problem_of
from taskyard.notify import Notification, Targets, notifications
from taskyard.times import instant

# The states that no task leaves by itself (docs/state-machine.md).
SETTLED = frozenset({"SUCCESS", "FAILED", "DEAD", "CANCELLED", "SKIPPED"})

# The states of a task whose `started_at` belongs to the due time that it has now.
_STARTED = frozenset({"RUNNING", "SUCCESS", "FAILED", "DEAD"})

Json = Mapping[str, Any]


def _mapping(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _strings(document: Json, name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Retry:
    """How a task is retried. What is None is left to the task type's own policy; the pauses are in seconds."""

    strategy: Literal["exponential", "fixed"] | None = None
    base_seconds: float | None = None
    max_seconds: float | None = None
    jitter: bool | float | None = None

    @classmethod
    def read(cls, document: Json) -> "Retry":
        return cls(
            strategy=document.get("strategy"),
            base_seconds=document.get("baseSeconds"),
            max_seconds=document.get("maxSeconds"),
            jitter=document.get("jitter"),
        )

    def write(self) -> dict[str, Any]:
        named = {
            "strategy": self.strategy,
            "baseSeconds": self.base_seconds,
            "maxSeconds": self.max_seconds,
            "jitter": self.jitter,
        }
        return {name: value for name, value in named.items() if value is not None}


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
    def read(cls, document: Json) -> "Attempt":
        return cls(
            number=int(document.get("number", 0)),
            started_at=instant(document, "startedAt"),
            ended_at=instant(document, "endedAt"),
            outcome=document.get("outcome"),
            error_type=document.get("errorType"),
            error=document.get("error"),
            where=document.get("where"),
            traceback=document.get("traceback"),
            log=tuple(document.get("log") or ()),
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """What the handler last said of itself: a fraction from 0 to 1 and a note."""

    fraction: float | None = None
    note: str | None = None
    at: datetime | None = None

    @classmethod
    def read(cls, document: Json) -> "Progress":
        return cls(document.get("fraction"), document.get("note"), instant(document, "at"))


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it was when it was read. `state` is a plain string: a state that a newer server adds passes through.
    notifications: how far each target of its `notify` has been told; not in lists."""

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
        """No more will come of it by itself."""
        return self.state in SETTLED

    @property
    def succeeded(self) -> bool:
        return self.state == "SUCCESS"

    @property
    def due_at(self) -> datetime | None:
        """When its latest attempt could start, or its next one can: its time, or its creation if that was later."""
        known = [moment for moment in (self.run_at, self.created_at) if moment is not None]
        return max(known) if known else None

    @property
    def drift_seconds(self) -> float | None:
        """How long after its due time its latest attempt started; None while it waits for one, or never had any."""
        if self.state not in _STARTED or self.due_at is None or self.started_at is None:
            return None
        return (self.started_at - self.due_at).total_seconds()

    @classmethod
    def read(cls, document: Json) -> "Task":
        progress = document.get("progress")
        return cls(
            id=str(document["id"]),
            type=str(document["type"]),
            state=str(document["state"]),
            priority=document.get("priority"),
            lane=document.get("lane"),
            payload=document.get("payload"),
            result=document.get("result"),
            run_at=instant(document, "runAt"),
            created_at=instant(document, "createdAt"),
            started_at=instant(document, "startedAt"),
            ended_at=instant(document, "endedAt"),
            attempt=int(document.get("attempt") or 0),
            max_attempts=document.get("maxAttempts"),
            max_retries=document.get("maxRetries"),
            retry=Retry.read(_mapping(document, "retry")),
            timeout_seconds=document.get("timeoutSeconds"),
            idempotency_key=document.get("idempotencyKey"),
            tags=dict(_mapping(document, "tags")),
            generation=document.get("generation"),
            dependencies=_strings(document, "dependencies"),
            notifications=notifications(document),
            progress=Progress.read(progress) if isinstance(progress, Mapping) else None,
            attempts=tuple(Attempt.read(item) for item in document.get("attempts") or () if isinstance(item, Mapping)),
            reason=document.get("reason"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, newest first. `cursor` is None on the last one."""

    tasks: tuple[Task, ...]
    cursor: str | None = None

    @classmethod
    def read(cls, document: Json) -> "Page":
        return cls(tuple(Task.read(item) for item in document["tasks"]), document.get("cursor") or None)


@dataclass(frozen=True, slots=True)
class Lane:
    """The depth of one lane's queue, in messages, approximately (as SQS counts)."""

    queued: int = 0
    in_flight: int = 0
    delayed: int = 0

    @classmethod
    def read(cls, document: Json) -> "Lane":
        return cls(*(int(document.get(name) or 0) for name in ("queued", "inFlight", "delayed")))


@dataclass(frozen=True, slots=True)
class Stats:
    states: Mapping[str, int]
    types: Mapping[str, Any]
    lanes: Mapping[str, Lane]
    oldest_seconds: float | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, document: Json) -> "Stats":
        return cls(
            states=dict(_mapping(document, "states")),
            types=dict(_mapping(document, "types")),
            lanes={
                name: Lane.read(lane) for name, lane in _mapping(document, "lanes").items() if isinstance(lane, Mapping)
            },
            oldest_seconds=document.get("oldestSeconds"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class Health:
    status: str
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, document: Json) -> "Health":
        return cls(str(document.get("status", "")), document)


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one task of a batch: `task` or `error`. A task read from it has its main fields only.

    sent: its body with its idempotency key. Submitted again (`yard.submit_batch(o.sent for o in outcomes if not o.ok)`)
    it can't become two tasks. created: False when it was submitted before; of a task with a key of your own also when
    an earlier try of this submit was carried out and its answer lost.
    """

    index: int
    sent: Json = field(repr=False)
    task: Task | None = None
    created: bool = False
    error: TaskyardError | None = None

    @property
    def ok(self) -> bool:
        return self.task is not None

    @classmethod
    def read(cls, index: int, sent: Json, document: Json) -> "Outcome":
        status = int(document["status"])
        if status < 400:
            return cls(index, sent, Task.read(document["task"]), status == 201)
        return cls(index, sent, error=problem_of(status, document["problem"]))


@dataclass(frozen=True, slots=True)
class Redrive:
    """Dead letters that were run again (dry_run: that would be). skipped: nodes of workflows, which are retried with
    their run, and what somebody else changed meanwhile. last_due: when the last of them is due."""

    matched: int
    redriven: int
    skipped: int
    dry_run: bool
    last_due: datetime | None = None
    cursor: str | None = None

    @classmethod
    def read(cls, document: Json) -> "Redrive":
        return cls(
            matched=int(document["matched"]),
            redriven=int(document["redriven"]),
            skipped=int(document["skipped"]),
            dry_run=bool(document["dryRun"]),
            last_due=instant(document, "lastDue"),
            cursor=document.get("cursor") or None,
        )

    def __add__(self, later: "Redrive") -> "Redrive":
        return Redrive(
            self.matched + later.matched,
            self.redriven + later.redriven,
            self.skipped + later.skipped,
            later.dry_run,
            later.last_due or self.last_due,
            later.cursor,
        )


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Tasks that were cancelled (dry_run: that would be), by id, and why others were not: id → reason."""

    matched: int
    cancelled: tuple[str, ...]
    refused: Mapping[str, str]
    dry_run: bool
    cursor: str | None = None

    @classmethod
    def read(cls, document: Json) -> "Cancelled":
        refused = {str(each["id"]): str(each["reason"]) for each in document["refused"]}
        matched, ids = int(document["matched"]), _strings(document, "cancelled")
        return cls(matched, ids, refused, bool(document["dryRun"]), document.get("cursor") or None)

    def __add__(self, later: "Cancelled") -> "Cancelled":
        return Cancelled(
            self.matched + later.matched,
            self.cancelled + later.cancelled,
            {**self.refused, **later.refused},
            later.dry_run,
            later.cursor,
        )
