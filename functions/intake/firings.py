"""Submits the tasks of schedules: one task for each time, however often that time is fired.

The id of the task follows from schedule and time, so its conditional put is the deduplication. The firing history is
for display, and for the overlap rule (docs/adr/0015).
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

CLAIM_TRIES = 4
SUBMIT_GRACE_MS = 60_000
"""A firing claims its time, then submits the task. For this long, a task without a record counts as unfinished."""


class FiringOutcome(StrEnum):
    SUBMITTED = "submitted"
    REPEATED = "repeated"
    """The task of this time exists already."""
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"
    """The task template of the schedule is not valid any more."""
    DROPPED = "dropped"
    """The schedule is deleted, paused or over."""


METRIC_OF_OUTCOME = {
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

    def handle_due(self, schedule: Schedule, scheduled: int, *, now: int) -> FiringResult:
        """Handles a firing of EventBridge Scheduler. `scheduled`: the time that it is for, epoch ms; it may be long
        past."""
        at = minute_of(scheduled)
        if schedule.paused:
            return FiringResult(FiringOutcome.DROPPED, "the schedule is paused")
        if not schedule.timetable.is_within(scheduled):
            return FiringResult(FiringOutcome.DROPPED, "not between its start and its end")
        if now - at > MISSED_AFTER_MS:
            if schedule.catch_up is CatchUp.NONE:
                return self._record_missed(schedule, at)
            # All firings that an outage delayed come here, and all of them catch up the same, latest time.
            latest = schedule.timetable.latest_time(now, since=at)
            if latest is not None:
                self._record_missed(schedule, at)
                at = minute_of(latest)
        return self.fire(schedule, at, now=now)

    def catch_up(self, schedule: Schedule, *, since: int, now: int) -> FiringResult | None:
        """When a schedule resumes: fires the last time after `since`. None: there is none, or the schedule does not
        catch up."""
        if schedule.catch_up is CatchUp.NONE:
            return None
        latest = schedule.timetable.latest_time(now, since=since)
        return None if latest is None else self.fire(schedule, minute_of(latest), now=now)

    def fire(self, schedule: Schedule, at: int, *, now: int) -> FiringResult:
        """Submits the task of the time `at`. Raises StoreUnavailable: the firing must be repeated."""
        key = firing_idempotency_key(schedule.id, at)
        task_id = id_for_key(schedule.tenant, key)
        if self.tasks.get(schedule.tenant, task_id) is not None:
            return FiringResult(FiringOutcome.REPEATED, "its task is there already", task_id)
        if not self._claim(schedule, task_id, at, now=now):
            self.schedules.record_skip(schedule, at)
            return self._count(
                schedule, FiringResult(FiringOutcome.SKIPPED, f"task {schedule.firings.task} has not ended")
            )
        try:
            done = self._submit(schedule, key, now=now)
        except (InvalidRequest, UnknownTaskType, PayloadTooLarge) as error:
            self.schedules.record_error(schedule, str(error), now)
            return self._count(schedule, FiringResult(FiringOutcome.REFUSED, str(error)))
        if not done.created:
            return FiringResult(FiringOutcome.REPEATED, "its task is there already", task_id)
        self.metrics.count("TaskSubmitted", lane=self.submission.dispatcher.routing.lane_of_task(done.task))
        return self._count(schedule, FiringResult(FiringOutcome.SUBMITTED, task=task_id))

    def run_now(self, schedule: Schedule, key: str, *, now: int) -> SubmittedTask:
        """Submits a task at once, for a request. The schedule may be paused, over or overlapping. The same `key` gives
        the same task. Later firings treat it as any other task of the schedule."""
        key = run_idempotency_key(schedule.id, key)
        task_id = id_for_key(schedule.tenant, key)
        there = self.tasks.get(schedule.tenant, task_id)
        if there is not None:
            return SubmittedTask(there, created=False)
        self.schedules.claim(schedule, task=task_id, at=now, now=now, seen=None, on_request=True)
        return self._submit(schedule, key, now=now)

    def _submit(self, schedule: Schedule, key: str, *, now: int) -> SubmittedTask:
        try:
            # The id follows from the key, so no random bits are needed.
            return self.submission.submit(schedule.task, None, tenant=schedule.tenant, now=now, random=0, key=key)
        except IdempotencyKeyReused as reused:
            # FiringResult before, by another, with the template as it was a moment ago.
            return SubmittedTask(self._require_task(schedule, reused.id), created=False)

    def _require_task(self, schedule: Schedule, task_id: str) -> Task:
        task = self.tasks.get(schedule.tenant, task_id)
        if task is None:
            raise NotFound("task", task_id)
        return task

    def _claim(self, schedule: Schedule, task_id: str, at: int, *, now: int) -> bool:
        """False: the task of an earlier firing has not settled, and the schedule skips overlapping times.

        A crash after the claim leaves a claim without a task: the firing is delivered again and finds its own claim.
        """
        if schedule.overlap is Overlap.ALLOW:
            self.schedules.claim(schedule, task=task_id, at=at, now=now, seen=None)
            return True
        firings = schedule.firings
        for _ in range(CLAIM_TRIES):
            if firings.firing_task == task_id:
                # Its own claim, a minute old when Lambda repeats the firing: other firings ignore it by then.
                answer = self.schedules.renew_claim(schedule, task=task_id, now=now, seen=firings)
            elif firings.skipped_at == at:
                # An earlier delivery of this firing was skipped. Tasks that have ended since do not change that.
                return False
            elif any(
                self._is_unfinished(schedule.tenant, task, firings.fired_at, now) for task in firings.latest_tasks
            ):
                return False
            else:
                answer = self.schedules.claim(schedule, task=task_id, at=at, now=now, seen=firings)
            if answer.won:
                return True
            firings = answer.firings
        raise ChangedMeanwhile("schedule", schedule.id)

    def _is_unfinished(self, tenant: str, task_id: str, fired_at: int | None, now: int) -> bool:
        task = self.tasks.get(tenant, task_id)
        if task is None:
            # The task is about to be submitted; or it was refused, or has expired, long ago.
            return fired_at is not None and now - fired_at < SUBMIT_GRACE_MS
        return not task.settled

    def _record_missed(self, schedule: Schedule, at: int) -> FiringResult:
        self.schedules.record_miss(schedule, at)
        return self._count(schedule, FiringResult(FiringOutcome.MISSED, "it came too late"))

    def _count(self, schedule: Schedule, fired: FiringResult) -> FiringResult:
        self.metrics.count(METRIC_OF_OUTCOME[fired.outcome], lane=schedule.lane)
        return fired
