"""A schedule's times become tasks: one task for each time, however often and by whomever it is fired.

The id of a time's task follows from schedule and time, so the task's own conditional put is the deduplication. What
is counted and remembered beside it (FIRINGS) is for people, and for the overlap rule. docs/adr/0015.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from functions.core.errors import (
    ChangedMeanwhile,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    UnknownTaskType,
)
from functions.core.schedules.schedule import (
    MISSED_AFTER_MS,
    CatchUp,
    Overlap,
    Schedule,
    firing_idempotency_key,
    minute_of,
    run_idempotency_key,
)
from functions.core.task import Task, id_for_key
from functions.intake.submission import Submission, SubmittedTask
from functions.runtime.metrics import Metrics
from functions.store.schedules import ScheduleStore
from functions.store.tasks import TaskStore

TRIES = 4
UNBORN_MS = 60_000
"""A firing claims, then submits: for so long, a task that is not there yet counts as one that runs."""


class FiringOutcome(StrEnum):
    SUBMITTED = "submitted"
    REPEATED = "repeated"
    """Its task was there already."""
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"
    """Its template is no valid task any more."""
    DROPPED = "dropped"
    """Deleted, paused or over."""


METRICS = {
    FiringOutcome.SUBMITTED: "ScheduleFired",
    FiringOutcome.SKIPPED: "ScheduleSkipped",
    FiringOutcome.MISSED: "ScheduleMissed",
    FiringOutcome.REFUSED: "ScheduleRefused",
}


@dataclass(frozen=True)
class FiringResult:
    outcome: FiringOutcome
    reason: str = ""
    task: str | None = None


@dataclass(frozen=True, kw_only=True)
class Firings:
    schedules: ScheduleStore
    tasks: TaskStore
    submission: Submission
    metrics: Metrics

    def due(self, schedule: Schedule, scheduled: int, *, now: int) -> FiringResult:
        """What EventBridge Scheduler fired for the time `scheduled` (epoch ms), now or long ago."""
        at = minute_of(scheduled)
        if schedule.paused:
            return FiringResult(FiringOutcome.DROPPED, "the schedule is paused")
        if not schedule.timetable.is_within(scheduled):
            return FiringResult(FiringOutcome.DROPPED, "not between its start and its end")
        if now - at > MISSED_AFTER_MS:
            if schedule.catch_up is CatchUp.NONE:
                return self._missed(schedule, at)
            # Every firing that an outage delayed comes here, and all of them catch up the same one.
            latest = schedule.timetable.latest_time(now, since=at)
            if latest is not None:
                self._missed(schedule, at)
                at = minute_of(latest)
        return self.fire(schedule, at, now=now)

    def catch_up(self, schedule: Schedule, *, since: int, now: int) -> FiringResult | None:
        """At a resume: the last of the times since `since`, once. None: there was none, or it is not asked for."""
        if schedule.catch_up is CatchUp.NONE:
            return None
        latest = schedule.timetable.latest_time(now, since=since)
        return None if latest is None else self.fire(schedule, minute_of(latest), now=now)

    def fire(self, schedule: Schedule, at: int, *, now: int) -> FiringResult:
        """The task of this time. Raises StoreUnavailable: then it is to be fired again."""
        key = firing_idempotency_key(schedule.id, at)
        task_id = id_for_key(schedule.tenant, key)
        if self.tasks.get(schedule.tenant, task_id) is not None:
            return FiringResult(FiringOutcome.REPEATED, "its task is there already", task_id)
        if not self._claim(schedule, task_id, at, now=now):
            self.schedules.skip(schedule, at)
            return self._done(
                schedule, FiringResult(FiringOutcome.SKIPPED, f"task {schedule.firings.task} has not ended")
            )
        try:
            done = self._submit(schedule, key, now=now)
        except (InvalidRequest, UnknownTaskType, PayloadTooLarge) as error:
            self.schedules.refused(schedule, str(error), now)
            return self._done(schedule, FiringResult(FiringOutcome.REFUSED, str(error)))
        if not done.created:
            return FiringResult(FiringOutcome.REPEATED, "its task is there already", task_id)
        self.metrics.count("TaskSubmitted", lane=done.task.lane)
        return self._done(schedule, FiringResult(FiringOutcome.SUBMITTED, task=task_id))

    def run(self, schedule: Schedule, key: str, *, now: int) -> SubmittedTask:
        """Now, because somebody asks: paused, over or overlapping, it runs. The same key is the same run. The firings
        that come while it runs see it as they see any other."""
        key = run_idempotency_key(schedule.id, key)
        task_id = id_for_key(schedule.tenant, key)
        there = self.tasks.get(schedule.tenant, task_id)
        if there is not None:
            return SubmittedTask(there, created=False)
        self.schedules.claim(schedule, task=task_id, at=now, now=now, seen=None, asked=True)
        return self._submit(schedule, key, now=now)

    def _submit(self, schedule: Schedule, key: str, *, now: int) -> SubmittedTask:
        try:
            # The id comes from the key: no randomness is used.
            return self.submission.submit(schedule.task, None, tenant=schedule.tenant, now=now, random=0, key=key)
        except IdempotencyKeyReused as reused:
            # FiringResult before, by another, with the template as it was a moment ago.
            return SubmittedTask(self._there(schedule, reused.id), created=False)

    def _there(self, schedule: Schedule, task_id: str) -> Task:
        task = self.tasks.get(schedule.tenant, task_id)
        if task is None:
            raise NotFound("task", task_id)
        return task

    def _claim(self, schedule: Schedule, task_id: str, at: int, *, now: int) -> bool:
        """False: the task of an earlier firing has not settled, and the schedule says to skip then.

        A crash after the claim leaves a task that is not there: the firing is delivered again and finds its own claim.
        """
        if schedule.overlap is Overlap.ALLOW:
            self.schedules.claim(schedule, task=task_id, at=at, now=now, seen=None)
            return True
        firings = schedule.firings
        for _ in range(TRIES):
            if firings.firing_task == task_id:
                # Its own claim, a minute old when Lambda tries again: others take it for dead by then.
                answer = self.schedules.renew(schedule, task=task_id, now=now, seen=firings)
            elif firings.skipped_at == at:
                # Skipped when it came first: what has ended meanwhile changes nothing.
                return False
            elif any(self._runs(schedule.tenant, task, firings.fired_at, now) for task in firings.latest_tasks):
                return False
            else:
                answer = self.schedules.claim(schedule, task=task_id, at=at, now=now, seen=firings)
            if answer.won:
                return True
            firings = answer.firings
        raise ChangedMeanwhile("schedule", schedule.id)

    def _runs(self, tenant: str, task_id: str, fired_at: int | None, now: int) -> bool:
        task = self.tasks.get(tenant, task_id)
        if task is None:
            # About to be submitted; or refused, or expired, long ago.
            return fired_at is not None and now - fired_at < UNBORN_MS
        return not task.settled

    def _missed(self, schedule: Schedule, at: int) -> FiringResult:
        self.schedules.miss(schedule, at)
        return self._done(schedule, FiringResult(FiringOutcome.MISSED, "it came too late"))

    def _done(self, schedule: Schedule, fired: FiringResult) -> FiringResult:
        self.metrics.count(METRICS[fired.outcome], lane=schedule.lane)
        return fired
