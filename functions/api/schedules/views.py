"""Schedule → JSON, and the schemas of that."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from functions.api.tasks.answers import Answer, Time
from functions.core.notifications.events import target_views
from functions.core.payloads.masking import masked
from functions.core.schedules.recurrence import InvalidExpression
from functions.core.schedules.schedule import Schedule
from functions.core.times import iso_time, iso_time_or_none
from functions.intake.task_views import dump

UPCOMING = 5
LIST_TEMPLATE_LIMIT = 4000
"""Characters of a template that a list shows with its payload."""


def view(schedule: Schedule, *, now: int) -> dict[str, Any]:
    try:
        expression = schedule.recurrence.expression
        upcoming = [] if schedule.paused else schedule.timetable.next_times(now, UPCOMING)
    except InvalidExpression:
        # Accepted once: a zone that its keepers took away since. Scheduler goes by its own.
        expression, upcoming = None, []
    firings = schedule.firings
    return {
        "id": schedule.id,
        "name": schedule.name,
        "cron": schedule.cron,
        "rate": schedule.rate,
        "expression": expression,
        "timezone": schedule.timezone,
        "startAt": iso_time_or_none(schedule.start_at),
        "endAt": iso_time_or_none(schedule.end_at),
        "paused": schedule.paused,
        "pausedAt": iso_time_or_none(schedule.paused_at),
        "overlap": str(schedule.overlap),
        "catchUp": str(schedule.catch_up),
        "task": template(schedule),
        "nextTimes": [iso_time(at) for at in upcoming],
        "createdAt": iso_time(schedule.created_at),
        "updatedAt": iso_time(schedule.updated_at),
        "idempotencyKey": schedule.idempotency_key,
        "fired": firings.fired,
        "skipped": firings.skipped,
        "missed": firings.missed,
        "lastTaskId": firings.task,
        "lastScheduledAt": iso_time_or_none(firings.scheduled_at),
        "lastFiredAt": iso_time_or_none(firings.fired_at),
        "lastSkippedAt": iso_time_or_none(firings.skipped_at),
        "lastMissedAt": iso_time_or_none(firings.missed_at),
        "lastError": firings.error,
        "lastErrorAt": iso_time_or_none(firings.error_at),
    }


def list_entry(schedule: Schedule, *, now: int) -> dict[str, Any]:
    """A hundred templates of a quarter of a megabyte would not fit an answer: a large payload is left out."""
    shown = view(schedule, now=now)
    if len(dump(schedule.task)) > LIST_TEMPLATE_LIMIT:
        shown["task"].pop("payload", None)
        shown["omitted"] = ["task.payload"]
    return shown


def template(schedule: Schedule) -> dict[str, Any]:
    """A copy as it may be shown: sensitive parts of the payload are masked, and of the URLs in `notify` the origins are
    left, as in the views of tasks and runs."""
    shown = dict(schedule.task)
    if schedule.mask is not None:
        shown["payload"] = masked(schedule.mask, shown.get("payload"))
    if shown.get("notify"):
        shown["notify"] = target_views(tuple(shown["notify"]))
    return shown


class ScheduleAnswer(Answer):
    id: str
    name: str | None
    cron: str | None = Field(description="As it was given; or rate was.")
    rate: str | None
    expression: str | None = Field(description="As EventBridge Scheduler has it.")
    timezone: str
    start_at: Time | None
    end_at: Time | None
    paused: bool
    paused_at: Time | None
    overlap: str
    catch_up: str
    task: dict[str, Any] = Field(description="The template; of webhooks in `notify` the origins.")
    omitted: list[Literal["task.payload"]] = Field(
        default=[], description="Of a list: what is too large for it; ask for the schedule."
    )
    next_times: Annotated[list[Time], Field(max_length=UPCOMING)] = Field(
        description="The next five; none while it is paused."
    )
    created_at: Time
    updated_at: Time
    idempotency_key: str | None
    fired: int = Field(description="Tasks submitted, runs that somebody asked for included.")
    skipped: int = Field(description="Firings that found the task before still running.")
    missed: int = Field(description="Firings that came too late.")
    last_task_id: str | None
    last_scheduled_at: Time | None = Field(description="The time that the last task stands for.")
    last_fired_at: Time | None = Field(description="When it was submitted.")
    last_skipped_at: Time | None
    last_missed_at: Time | None
    last_error: str | None = Field(description="Why the template could not be submitted when it last was refused.")
    last_error_at: Time | None


class ScheduleList(Answer):
    schedules: list[ScheduleAnswer]
    cursor: str | None
