"""A schedule: a task template and when it is due. Times are epoch ms. docs/adr/0015."""

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
from functions.core.times import iso_time

MISSED_AFTER_MS = 5 * MINUTE_MS
"""Scheduler fires within a minute. A firing that arrives later than this counts as missed."""
RUN_KEY_CHARACTERS = 200
"""With the prefix, a key of this length stays below the 256 characters of an idempotency key."""
CATCH_UP_LIMIT_SECONDS = 86_400
"""AWS: Scheduler retries a firing for at most a day."""
SCHEDULED_TIME_PLACEHOLDER = "<aws.scheduler.scheduled-time>"
"""AWS: Scheduler replaces it with the scheduled time of the firing."""


SCHEDULE_KEY_PREFIX = "schedule:"
"""Prefix of the idempotency keys of tasks that schedules submit. The API refuses it in a caller's key, which would
take the place of a firing."""


class Overlap(StrEnum):
    """What a firing does while the task of an earlier one has not settled."""

    ALLOW = "allow"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What happens to firings that were missed, by an outage or while paused."""

    NONE = "none"
    LAST = "last"


@dataclass(frozen=True, kw_only=True)
class FiringHistory:
    """The counts and the last results of a schedule's firings. `task`: the last task submitted, by a firing or on
    request; `firing_task`: the last one submitted by a firing."""

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
    def latest_tasks(self) -> tuple[str, ...]:
        """The tasks that a firing checks for overlap."""
        return tuple(dict.fromkeys(filter(None, (self.firing_task, self.task))))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """`cron` or `rate`: the expression that the caller gave. `anchor`: the time from which a rate counts. `version`:
    raised by each write. `lane`: of its tasks."""

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
    """The mask of the template's payload."""
    lane: str = "normal"
    created_at: int
    updated_at: int
    version: int = 1
    digest: str = ""
    idempotency_key: str | None = None
    firings: FiringHistory = FiringHistory()

    @property
    def paused(self) -> bool:
        return self.paused_at is not None

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
    """The idempotency key of the task of one scheduled time: a repeated firing finds the same task."""
    return f"{SCHEDULE_KEY_PREFIX}{schedule_id}:{iso_time(minute_of(at))}"


def run_idempotency_key(schedule_id: str, key: str) -> str:
    """The idempotency key of a task that a caller requested. A long `key` is replaced by its hash."""
    short = key if len(key) <= RUN_KEY_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()
    return f"{SCHEDULE_KEY_PREFIX}{schedule_id}:run:{short}"
