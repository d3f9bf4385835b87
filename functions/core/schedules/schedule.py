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
"""Scheduler fires within a minute. A firing that comes later than this was missed."""
RUN_KEY_CHARACTERS = 200
"""Characters: with what stands before them they stay below the 256 of an idempotency key."""
CATCH_UP_LIMIT_SECONDS = 86_400
"""AWS: Scheduler tries a firing again for a day at most."""
SCHEDULED_TIME_PLACEHOLDER = "<aws.scheduler.scheduled-time>"
"""AWS: Scheduler fills in the time that it fires for."""


SCHEDULE_KEY_PREFIX = "schedule:"
"""Of the idempotency keys of what schedules submit. No caller's key begins so: it would take a firing's place."""


class Overlap(StrEnum):
    """What happens to a firing while the task of an earlier one has not settled."""

    ALLOW = "allow"
    SKIP = "skip"


class CatchUp(StrEnum):
    """What happens to firings that were missed, by an outage or while paused."""

    NONE = "none"
    LAST = "last"


@dataclass(frozen=True, kw_only=True)
class FiringHistory:
    """What became of a schedule's firings. `task`: the last one that was submitted; `firing`: the last by a firing, and
    not by somebody who asked for it."""

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
        """The tasks that a firing looks at before it overlaps with them."""
        return tuple(dict.fromkeys(filter(None, (self.firing_task, self.task))))


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """`cron` or `rate`: as the caller wrote it. `anchor`: the time from which a rate counts. `version`: raised by each
    write. `lane`: of its tasks."""

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
    """Of the template's payload."""
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
        """Of what Scheduler is told: a firing that carries another one comes from a write that did not land, or that
        did not reach Scheduler."""
        timetable = self.timetable
        told = [
            self.recurrence.expression,
            self.timezone,
            timetable.start,
            timetable.end,
            self.paused,
            self.catch_up,
        ]
        return hashlib.blake2b(json.dumps(told).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, kw_only=True)
class SchedulerDefinition:
    """One of EventBridge Scheduler's schedules. `oldest_seconds`: how long a firing is tried again."""

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
    """What Scheduler is told of a schedule.

    It takes no start in the past: what has begun already starts with its next time, and what is over is disabled.
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
    """Scheduler keeps minutes: whatever second a firing names, it stands for its minute."""
    return at - at % MINUTE_MS


def firing_idempotency_key(schedule_id: str, at: int) -> str:
    """The idempotency key of the task of one time: fired twice, or by two producers, it is one task."""
    return f"{SCHEDULE_KEY_PREFIX}{schedule_id}:{iso_time(minute_of(at))}"


def run_idempotency_key(schedule_id: str, key: str) -> str:
    """Of a run that somebody asked for. A long key goes in as its hash: keys of tasks have an end."""
    short = key if len(key) <= RUN_KEY_CHARACTERS else hashlib.sha256(key.encode()).hexdigest()
    return f"{SCHEDULE_KEY_PREFIX}{schedule_id}:run:{short}"
