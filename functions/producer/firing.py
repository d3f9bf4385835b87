"""A firing of EventBridge Scheduler becomes the task of its time; what a crash left in Scheduler is put right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.aws.recurring_schedules import RecurringSchedules
from functions.core.schedules.schedule import (
    SCHEDULED_TIME_PLACEHOLDER,
    Schedule,
    minute_of,
    scheduler_definition,
    scheduler_name,
)
from functions.core.task import BASE32_ALPHABET
from functions.core.times import epoch_ms
from functions.core.wakeup import writer_has_ended
from functions.intake.firings import FiringOutcome, FiringResult, Firings
from functions.store.schedules import ScheduleStore

IDENTITY = re.compile(rf"[{BASE32_ALPHABET}]{{26}}")
TENANT_LIMIT = 256
CLOCKS_DIFFER_MS = 5000
"""Scheduler fires within the minute that follows a time. The clock of this function may be that much behind its."""


@dataclass(frozen=True, kw_only=True)
class FiringEvent:
    """What Scheduler hands over: core/schedules/schedule.py writes it. `scheduled`, `written_at`: epoch ms."""

    tenant: str
    schedule: str
    scheduled: int
    revision: str
    written_at: int

    @classmethod
    def read(cls, event: Mapping[str, Any], *, now: int) -> FiringEvent:
        """Raises ValueError for what is none. Emulators may leave the time to be filled in: then it is now."""
        try:
            at, tenant, schedule = (str(event[name]) for name in ("scheduledTime", "tenant", "schedule"))
            if not IDENTITY.fullmatch(schedule) or not 1 <= len(tenant) <= TENANT_LIMIT:
                raise ValueError(f"no firing of a schedule: {schedule[:50]!r} of {tenant[:50]!r}")
            return cls(
                tenant=tenant,
                schedule=schedule,
                scheduled=now if at == SCHEDULED_TIME_PLACEHOLDER else epoch_ms(at),
                revision=str(event.get("revision", "")),
                written_at=int(event.get("writtenAt", 0)),
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"no firing: {str(event)[:200]}") from error


@dataclass(frozen=True, kw_only=True)
class Fire:
    """`door`: the ARN of the function that Scheduler alone may invoke. `writer_ms`: the longest that a request which
    writes schedules may run."""

    schedules: ScheduleStore
    scheduler: RecurringSchedules
    firing: Firings
    door: str
    writer_ms: int

    def take(self, firing_event: FiringEvent, *, door: str, now: int) -> FiringResult:
        """`door`: the ARN of the function that was invoked. Raises StoreUnavailable: Lambda tries it again, and the
        queue of failed firings after that."""
        name = scheduler_name(firing_event.tenant, firing_event.schedule)
        # Schedules that were made before there was a door for firings call the producer: until their next firing.
        by_producer = door != self.door
        if by_producer and self.scheduler.target_arn_of(name) != door:
            return FiringResult(
                FiringOutcome.DROPPED, "schedules are fired by EventBridge Scheduler, through the firing function"
            )
        schedule = self.schedules.get(firing_event.tenant, firing_event.schedule)
        settled = writer_has_ended(now=now, sent_at=firing_event.written_at, writer_ms=self.writer_ms)
        if schedule is None:
            if settled:
                # Of a create that died before its record, or a delete that died after it.
                self.scheduler.delete(name)
            return FiringResult(FiringOutcome.DROPPED, "there is no such schedule")
        if firing_event.revision != schedule.revision and settled:
            # Of a change that died between Scheduler and record: the record says what its owner was answered.
            self.scheduler.put(scheduler_definition(schedule, now=now))
        fired = self._fire(schedule, firing_event, now=now)
        if by_producer:
            # After the firing: tried again, it has to come through the door that it came by.
            self.scheduler.put(scheduler_definition(schedule, now=now))
        return fired

    def _fire(self, schedule: Schedule, firing_event: FiringEvent, *, now: int) -> FiringResult:
        at = minute_of(firing_event.scheduled)
        if at > now + CLOCKS_DIFFER_MS:
            return FiringResult(FiringOutcome.DROPPED, "a time that has not come")
        if at < minute_of(schedule.created_at):
            return FiringResult(FiringOutcome.DROPPED, "a time before the schedule was made")
        if schedule.timetable.next_times(at - 1, 1) != [at]:
            # Of a change that has not landed, or of before one that has.
            return FiringResult(FiringOutcome.DROPPED, "none of the schedule's times")
        return self.firing.due(schedule, firing_event.scheduled, now=now)
