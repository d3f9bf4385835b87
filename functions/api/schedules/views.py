"""Schedule → JSON, in the shapes of schemas.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from functions.core.notifications.events import target_views
from functions.core.payloads.masking import mask_value
from functions.core.schedules.recurrence import InvalidExpression
from functions.core.schedules.schedule import Schedule
from functions.core.times import iso_time, iso_time_or_none
from functions.intake.task_views import to_json

if TYPE_CHECKING:
    from functions.api.schedules import schemas

UPCOMING = 5
LIST_TEMPLATE_LIMIT = 4000
"""Characters of a template that a list shows with its payload."""


def schedule_view(schedule: Schedule, *, now: int) -> schemas.ScheduleAnswer:
    try:
        expression = schedule.recurrence.expression
        upcoming = [] if schedule.paused else schedule.timetable.next_times(now, UPCOMING)
    except InvalidExpression:
        # It was valid once: its time zone has been removed since. EventBridge Scheduler has its own list of zones.
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


def list_entry(schedule: Schedule, *, now: int) -> schemas.ScheduleAnswer:
    """A hundred templates of a quarter of a megabyte would not fit an answer: a large payload is left out."""
    view = schedule_view(schedule, now=now)
    if len(to_json(schedule.task)) > LIST_TEMPLATE_LIMIT:
        view["task"].pop("payload", None)
        view["omitted"] = ["task.payload"]
    return view


def template(schedule: Schedule) -> dict[str, Any]:
    """A copy without secrets: sensitive parts of the payload are masked, and URLs in `notify` are cut to their origin,
    as in the views of tasks and runs."""
    copy = dict(schedule.task)
    if schedule.mask is not None:
        copy["payload"] = mask_value(schedule.mask, copy.get("payload"))
    if copy.get("notify"):
        copy["notify"] = target_views(tuple(copy["notify"]))
    return copy
