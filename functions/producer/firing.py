"""Handles a firing of EventBridge Scheduler: submits its task, and repairs what a crash left in Scheduler."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.aws.recurring_schedules import RecurringSchedules
from functions.core.outline import outline
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

SCHEDULE_ID = re.compile(rf"[{BASE32_ALPHABET}]{{26}}")
TENANT_LIMIT = 256
CLOCK_SKEW_MS = 5000
"""How far the clock of this function may be behind the clock of EventBridge Scheduler."""


@dataclass(frozen=True, kw_only=True)
class FiringEvent:
    """The input of a firing, as core/schedules/schedule.py writes it. `scheduled`, `written_at`: epoch ms."""

    tenant: str
    schedule: str
    scheduled: int
    revision: str
    written_at: int

    @classmethod
    def parse(cls, event: Mapping[str, Any], *, now: int) -> FiringEvent:
        """Raises ValueError for anything else. Emulators may not fill in the time: then it is `now`."""
        try:
            at, tenant, schedule = (str(event[name]) for name in ("scheduledTime", "tenant", "schedule"))
            if not SCHEDULE_ID.fullmatch(schedule) or not 1 <= len(tenant) <= TENANT_LIMIT:
                raise ValueError(f"no firing of a schedule: {schedule[:50]!r} of {tenant[:50]!r}")
            tenant.encode()  # half of a surrogate pair is no text that the table takes
            return cls(
                tenant=tenant,
                schedule=schedule,
                scheduled=now if at == SCHEDULED_TIME_PLACEHOLDER else epoch_ms(at),
                revision=str(event.get("revision", "")),
                written_at=int(event.get("writtenAt", 0)),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"no firing: {outline(event)}") from error


@dataclass(frozen=True, kw_only=True)
class FiringHandler:
    """`firing_arn`: of the function that only EventBridge Scheduler may invoke. `writer_ms`: the longest time-out of a
    request that writes schedules."""

    schedules: ScheduleStore
    scheduler: RecurringSchedules
    firings: Firings
    firing_arn: str
    writer_ms: int

    def handle(self, firing_event: FiringEvent, *, function_arn: str, now: int) -> FiringResult:
        """`function_arn`: of the function that was invoked. Raises StoreUnavailable: Lambda repeats the invocation, and
        then puts it into the queue of failed firings."""
        name = scheduler_name(firing_event.tenant, firing_event.schedule)
        # Schedules from before there was a firing function invoke the producer, until their next firing.
        through_producer = function_arn != self.firing_arn
        if through_producer and self.scheduler.target_arn_of(name) != function_arn:
            return FiringResult(
                FiringOutcome.DROPPED, "schedules are fired by EventBridge Scheduler, through the firing function"
            )
        schedule = self.schedules.get(firing_event.tenant, firing_event.schedule)
        writer_ended = writer_has_ended(now=now, sent_at=firing_event.written_at, writer_ms=self.writer_ms)
        if schedule is None:
            if writer_ended:
                # Left by a create that died before its record, or by a delete that died after it.
                self.scheduler.delete(name)
            return FiringResult(FiringOutcome.DROPPED, "there is no such schedule")
        if firing_event.revision != schedule.revision and writer_ended:
            # Left by a change that died between Scheduler and record. The record has what the caller was answered.
            self.scheduler.put(scheduler_definition(schedule, now=now))
        result = self._fire(schedule, firing_event, now=now)
        if through_producer:
            # After the firing: a repeated invocation must still be accepted from this function.
            self.scheduler.put(scheduler_definition(schedule, now=now))
        return result

    def _fire(self, schedule: Schedule, firing_event: FiringEvent, *, now: int) -> FiringResult:
        at = minute_of(firing_event.scheduled)
        if at > now + CLOCK_SKEW_MS:
            return FiringResult(FiringOutcome.DROPPED, "a time that has not come")
        if at < minute_of(schedule.created_at):
            return FiringResult(FiringOutcome.DROPPED, "a time before the schedule was made")
        if schedule.timetable.next_times(at - 1, 1) != [at]:
            # Fired for a change that has not landed, or for the schedule before a change.
            return FiringResult(FiringOutcome.DROPPED, "none of the schedule's times")
        return self.firings.handle_due(schedule, firing_event.scheduled, now=now)
