"""A schedule: a template of a task or a workflow, and when it is due. Times are epoch ms. docs/adr/0015."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from functions.core.payloads.masking import Mask
from functions.core.schedules.cron import parse_cron
from functions.core.schedules.recurrence import (
    MINUTE_MS,
    Rate,
    Recurrence,
    Timetable,
    parse_rate,
    parse_zone,
)
from functions.core.task import Document, id_for_key
from functions.core.times import iso_time
from functions.core.workflows.run import run_id_for_key

MISSED_AFTER_MS = 5 * MINUTE_MS
"""Scheduler fires within a minute. A firing that arrives later than this counts as missed."""
RUN_KEY_CHARACTERS = 200
"""With the prefix, a key of this length stays below the 256 characters of an idempotency key."""
CATCH_UP_LIMIT_SECONDS = 86_400
"""AWS: Scheduler retries a firing for at most a day."""
SCHEDULED_TIME_PLACEHOLDER = "<aws.scheduler.scheduled-time>"
"""AWS: Scheduler replaces it with the scheduled time of the firing."""


SCHEDULE_KEY_PREFIX = "schedule:"
"""Prefix of the idempotency keys of tasks and workflows that schedules submit. The API refuses it in a caller's key,
which would take the place of a firing."""


RUN_REFERENCE_PREFIX = "workflow:"
"""A reference to what a firing has submitted: a task's id, or this prefix and a run's id. An id holds no colon."""


class Overlap(StrEnum):
    """What a firing does while the task or the run of an earlier one has not ended."""

    ALLOW = "allow"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What happens to firings that were missed, by an outage or while paused."""

    NONE = "none"
    LAST = "last"


@dataclass(frozen=True, kw_only=True)
class FiringHistory:
    """The counts and the last results of a schedule's firings. `task`: reference to the last task or run submitted, by
    a firing or on request; `firing_task`: to the last one submitted by a firing."""

    fired: int = 0
    skipped: int = 0
    missed: int = 0
    task: str | None = None
    firing_task: str | None = None
    scheduled_at: int | None = None
    fired_at: int | None = None
    skipped_at: int | None = None
    missed_at: int | None = None
    error: str | None = None
    error_at: int | None = None

    @property
    def last_task_id(self) -> str | None:
        return None if self.task is None or referenced_run(self.task) else self.task

    @property
    def last_run_id(self) -> str | None:
        return None if self.task is None else referenced_run(self.task)

    @property
    def latest_tasks(self) -> tuple[str, ...]:
        """References that a firing checks for overlap."""
        return tuple(dict.fromkeys(filter(None, (self.firing_task, self.task))))


@dataclass(frozen=True, kw_only=True)
class WorkflowTemplate:
    """The workflow that a schedule submits. `name`: None when the caller gave none. `document`: holds
    `{"workflow": …, "mask": …}`, the body of POST /workflows and the mask of its payloads."""

    name: str | None
    document: Document


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """`cron` or `rate`: the expression that the caller gave. `anchor`: the time from which a rate counts. `task` or
    `workflow`: what it submits. `version`: raised by each write. `lane`: of its tasks. `declared_as`: stack and name
    of a schedule that a deployment declares, `Taskyard-prod/nightly`; None: it was created over the API."""

    tenant: str
    id: str
    name: str | None = None
    cron: str | None = None
    rate: str | None = None
    timezone: str = "UTC"
    start_at: int | None = None
    end_at: int | None = None
    anchor: int | None = None
    paused_at: int | None = None
    overlap: Overlap = Overlap.ALLOW
    catch_up: CatchUp = CatchUp.NONE
    task: dict[str, Any] = field(default_factory=dict)
    mask: Mask | None = None
    """The mask of the task template's payload."""
    workflow: WorkflowTemplate | None = None
    lane: str = "normal"
    created_at: int
    updated_at: int
    version: int = 1
    digest: str = ""
    idempotency_key: str | None = None
    declared_as: str | None = None
    firings: FiringHistory = FiringHistory()

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

    def reference_for_key(self, key: str) -> str:
        """Reference to the task or the run that this schedule submits under an idempotency key."""
        if self.workflow is None:
            return id_for_key(self.tenant, key)
        return f"{RUN_REFERENCE_PREFIX}{run_id_for_key(self.tenant, key)}"

    @cached_property
    def recurrence(self) -> Recurrence:
        """Raises InvalidExpression."""
        return parse_cron(self.cron) if self.cron is not None else parse_rate(self.rate or "")

    @cached_property
    def timetable(self) -> Timetable:
        """Raises InvalidExpression."""
        start = self.anchor if isinstance(self.recurrence, Rate) else self.start_at
        return Timetable(self.recurrence, parse_zone(self.timezone), start, self.end_at)

    @property
    def revision(self) -> str:
        """A hash of the definition in Scheduler. A firing with another revision comes from a write to the table or to
        Scheduler that did not complete."""
        timetable = self.timetable
        definition = [
            self.recurrence.expression,
            self.timezone,
            timetable.start,
            timetable.end,
            self.paused,
            self.catch_up,
        ]
        return hashlib.blake2b(json.dumps(definition).encode(), digest_size=6).hexdigest()


def referenced_run(reference: str) -> str | None:
    """The id of the run that a reference names; None when it names a task."""
    is_run = reference.startswith(RUN_REFERENCE_PREFIX)
    return reference.removeprefix(RUN_REFERENCE_PREFIX) if is_run else None


@dataclass(frozen=True, kw_only=True)
class SchedulerDefinition:
    """A schedule of EventBridge Scheduler. `max_age_seconds`: how long Scheduler retries a firing."""

    name: str
    expression: str
    timezone: str
    start: int | None
    end: int | None
    enabled: bool
    input: str
    max_age_seconds: int


def scheduler_name(tenant: str, schedule_id: str) -> str:
    """At most 64 of `[0-9a-zA-Z-_.]` (AWS). The tenant is in it: a request that names another's schedule finds none."""
    return f"{schedule_id}-{hashlib.blake2b(tenant.encode(), digest_size=8).hexdigest()}"


def scheduler_definition(schedule: Schedule, *, now: int) -> SchedulerDefinition:
    """The definition of a schedule in EventBridge Scheduler.

    Scheduler accepts no start in the past: a schedule that has begun starts with its next time, and one that is over
    is disabled.
    """
    timetable = schedule.timetable
    upcoming = next(timetable.times_after(now), None)
    start = timetable.start
    if start is not None and start <= now:
        start = upcoming if isinstance(schedule.recurrence, Rate) else None
    return SchedulerDefinition(
        name=scheduler_name(schedule.tenant, schedule.id),
        expression=schedule.recurrence.expression,
        timezone=schedule.timezone,
        start=None if upcoming is None else start,
        end=None if upcoming is None else timetable.end,
        enabled=upcoming is not None and not schedule.paused,
        input=json.dumps(
            {
                "schedule": schedule.id,
                "tenant": schedule.tenant,
                "scheduledTime": SCHEDULED_TIME_PLACEHOLDER,
                "revision": schedule.revision,
                "writtenAt": now,
            },
            separators=(",", ":"),
        ),
        max_age_seconds=CATCH_UP_LIMIT_SECONDS if schedule.catch_up is CatchUp.LAST else MISSED_AFTER_MS // 1000,
    )


def minute_of(at: int) -> int:
    """The begin of the minute of `at`. Scheduler is exact to the minute, so the seconds of a firing carry no
    meaning."""
    return at - at % MINUTE_MS


def firing_idempotency_key(schedule_id: str, at: int) -> str:
    """The idempotency key of the task or the run of one scheduled time: a repeated firing finds the same one."""
    return f"{SCHEDULE_KEY_PREFIX}{schedule_id}:{iso_time(minute_of(at))}"


def run_idempotency_key(schedule_id: str, key: str) -> str:
    """The idempotency key of a task or a run that a caller requested. A long `key` is replaced by its hash."""
    short = key if len(key) <= RUN_KEY_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()
    return f"{SCHEDULE_KEY_PREFIX}{schedule_id}:run:{short}"
