"""Submits the tasks and workflows of schedules: one for each time, however often that time is fired.

The id of the task or the run follows from schedule and time, so its conditional put is the deduplication. The firing
history is for display, and for the overlap rule (docs/adr/0015).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

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
    referenced_run,
    run_idempotency_key,
)
from functions.core.task import Task
from functions.core.workflows.run import Run
from functions.intake.submission import Submission, SubmittedTask
from functions.runtime.metrics import Metrics
from functions.store.documents import Documents
from functions.store.runs import RunStore
from functions.store.schedules import ScheduleStore
from functions.store.tasks import TaskStore

if TYPE_CHECKING:
    # It imports the validation of workflows, which the firings of tasks do not need.
    from functions.intake.workflow_submission import SubmittedRun, WorkflowSubmission

CLAIM_TRIES = 4
SUBMIT_GRACE_MS = 60_000
"""A firing claims its time, then submits. For this long, a task or a run without a record counts as unfinished."""


class FiringOutcome(StrEnum):
    SUBMITTED = "submitted"
    REPEATED = "repeated"
    """The task or the run of this time exists already."""
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"
    """The template of the schedule is not valid any more."""
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
    """`task`: reference to the task or the run."""

    outcome: FiringOutcome
    reason: str = ""
    task: str | None = None


@dataclass(frozen=True, kw_only=True)
class Firings:
    """`workflows` makes the submission of workflows on first use."""

    schedules: ScheduleStore
    tasks: TaskStore
    runs: RunStore
    documents: Documents
    submission: Submission
    workflows: Callable[[], WorkflowSubmission]
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
        """Submits the task or the workflow of the time `at`. Raises StoreUnavailable: the firing must be repeated."""
        key = firing_idempotency_key(schedule.id, at)
        reference = schedule.reference_for_key(key)
        if self._find(schedule.tenant, reference) is not None:
            return FiringResult(FiringOutcome.REPEATED, "it was submitted before", reference)
        if not self._claim(schedule, reference, at, now=now):
            self.schedules.record_skip(schedule, at)
            return self._count(schedule, FiringResult(FiringOutcome.SKIPPED, f"{schedule.firings.task} has not ended"))
        try:
            submitted = self._submit(schedule, key, now=now)
        except (InvalidRequest, UnknownTaskType, PayloadTooLarge) as error:
            self.schedules.record_error(schedule, str(error), now)
            return self._count(schedule, FiringResult(FiringOutcome.REFUSED, str(error)))
        if not submitted.created:
            return FiringResult(FiringOutcome.REPEATED, "it was submitted before", reference)
        for lane, count in self.lanes_of(submitted).items():
            self.metrics.count("TaskSubmitted", lane=lane, times=count)
        return self._count(schedule, FiringResult(FiringOutcome.SUBMITTED, task=reference))

    def run_now(self, schedule: Schedule, key: str, *, now: int) -> SubmittedTask | SubmittedRun:
        """Submits the task or the workflow at once, for a request. The schedule may be paused, over or overlapping. The
        same `key` gives the same one. Later firings treat it as any other of the schedule."""
        key = run_idempotency_key(schedule.id, key)
        reference = schedule.reference_for_key(key)
        existing = self._find(schedule.tenant, reference)
        if existing is not None:
            return as_submitted(existing)
        self.schedules.claim(schedule, task=reference, at=now, now=now, seen=None, on_request=True)
        return self._submit(schedule, key, now=now)

    def _submit(self, schedule: Schedule, key: str, *, now: int) -> SubmittedTask | SubmittedRun:
        tenant = schedule.tenant
        try:
            # The id follows from the key, so no random bits are needed.
            if schedule.workflow is None:
                return self.submission.submit(schedule.task, None, tenant=tenant, now=now, random=0, key=key)
            stored = self.documents.read(tenant, schedule.id, schedule.workflow.document)
            if stored is None:
                # The workflow was replaced, and its document deleted, since the schedule was read.
                raise ChangedMeanwhile("schedule", schedule.id)
            return self.workflows().submit(stored["workflow"], None, tenant=tenant, now=now, random=0, key=key)
        except IdempotencyKeyReused as reused:
            # Fired before, by another, with the template as it was a moment ago.
            existing = self._find(tenant, schedule.reference_for_key(key))
            if existing is None:
                raise NotFound("task" if schedule.workflow is None else "workflow", reused.id) from reused
            return as_submitted(existing)

    def lanes_of(self, submitted: SubmittedTask | SubmittedRun) -> Mapping[str, int]:
        """Tasks per lane."""
        if isinstance(submitted, SubmittedTask):
            return {self.submission.dispatcher.routing.lane_of_task(submitted.task): 1}
        return submitted.lanes

    def _find(self, tenant: str, reference: str) -> Task | Run | None:
        run_id = referenced_run(reference)
        return self.tasks.get(tenant, reference) if run_id is None else self.runs.get(tenant, run_id)

    def _claim(self, schedule: Schedule, reference: str, at: int, *, now: int) -> bool:
        """False: the task or the run of an earlier firing has not ended, and the schedule skips overlapping times.

        A crash after the claim leaves a claim without a task or a run: the firing is delivered again and finds its own
        claim.
        """
        if schedule.overlap is Overlap.ALLOW:
            self.schedules.claim(schedule, task=reference, at=at, now=now, seen=None)
            return True
        firings = schedule.firings
        for _ in range(CLAIM_TRIES):
            if firings.firing_task == reference:
                # Its own claim, a minute old when Lambda repeats the firing: other firings ignore it by then.
                answer = self.schedules.renew_claim(schedule, task=reference, now=now, seen=firings)
            elif firings.skipped_at == at:
                # An earlier delivery of this firing was skipped. Tasks that have ended since do not change that.
                return False
            elif any(
                self._is_unfinished(schedule.tenant, earlier, firings.fired_at, now) for earlier in firings.latest_tasks
            ):
                return False
            else:
                answer = self.schedules.claim(schedule, task=reference, at=at, now=now, seen=firings)
            if answer.won:
                return True
            firings = answer.firings
        raise ChangedMeanwhile("schedule", schedule.id)

    def _is_unfinished(self, tenant: str, reference: str, fired_at: int | None, now: int) -> bool:
        existing = self._find(tenant, reference)
        if existing is None:
            # It is about to be submitted; or it was refused, or has expired, long ago.
            return fired_at is not None and now - fired_at < SUBMIT_GRACE_MS
        return not (existing.ended if isinstance(existing, Run) else existing.settled)

    def _record_missed(self, schedule: Schedule, at: int) -> FiringResult:
        self.schedules.record_miss(schedule, at)
        return self._count(schedule, FiringResult(FiringOutcome.MISSED, "it came too late"))

    def _count(self, schedule: Schedule, fired: FiringResult) -> FiringResult:
        self.metrics.count(METRIC_OF_OUTCOME[fired.outcome], lane=schedule.lane)
        return fired


def as_submitted(existing: Task | Run) -> SubmittedTask | SubmittedRun:
    """What an earlier firing or request has submitted."""
    if isinstance(existing, Task):
        return SubmittedTask(existing, created=False)
    from functions.intake.workflow_submission import SubmittedRun

    return SubmittedRun(existing, created=False, lanes={})
