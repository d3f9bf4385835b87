"""Schedule → JSON, in the shapes of schemas.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.core.notifications.events import target_views
from functions.core.payloads.masking import Mask, mask_value
from functions.core.schedules.recurrence import InvalidExpression
from functions.core.schedules.schedule import Schedule
from functions.core.times import iso_time, iso_time_or_none
from functions.intake.task_views import to_json

if TYPE_CHECKING:
    from functions.api.schedules import schemas

UPCOMING = 5
LIST_TEMPLATE_LIMIT = 4000
"""Characters of a template that a list shows with its payload."""


def schedule_view(schedule: Schedule, workflow: dict[str, Any] | None, *, now: int) -> schemas.ScheduleAnswer:
    """`workflow`: `{"workflow": …, "mask": …}`, where the schedule submits one."""
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
        "task": template(schedule.task, schedule.mask) if schedule.workflow is None else None,
        "workflow": None if workflow is None else workflow_template(workflow),
        "nextTimes": [iso_time(at) for at in upcoming],
        "createdAt": iso_time(schedule.created_at),
        "updatedAt": iso_time(schedule.updated_at),
        "idempotencyKey": schedule.idempotency_key,
        "managedBy": "api" if schedule.declared_as is None else "deployment",
        "declaredAs": schedule.declared_as,
        "fired": firings.fired,
        "skipped": firings.skipped,
        "missed": firings.missed,
        "lastTaskId": firings.last_task_id,
        "lastWorkflowId": firings.last_run_id,
        "lastScheduledAt": iso_time_or_none(firings.scheduled_at),
        "lastFiredAt": iso_time_or_none(firings.fired_at),
        "lastSkippedAt": iso_time_or_none(firings.skipped_at),
        "lastMissedAt": iso_time_or_none(firings.missed_at),
        "lastError": firings.error,
        "lastErrorAt": iso_time_or_none(firings.error_at),
    }


def list_entry(schedule: Schedule, *, now: int) -> schemas.ScheduleAnswer:
    """A hundred templates of a quarter of a megabyte would not fit an answer: a large payload is left out, and so are
    the nodes of a workflow that is not in the record."""
    inline = None if schedule.workflow is None else schedule.workflow.document.inline
    view = schedule_view(schedule, None if inline is None else json.loads(inline), now=now)
    if view["task"] is not None and len(to_json(schedule.task)) > LIST_TEMPLATE_LIMIT:
        view["task"].pop("payload", None)
        view["omitted"] = ["task.payload"]
    if schedule.workflow is not None and inline is None:
        view["workflow"] = {"name": schedule.workflow.name}
        view["omitted"] = ["workflow.nodes"]
    return view


def template(fields: dict[str, Any], mask_of_payload: Mask | None) -> dict[str, Any]:
    """A copy of a task template without secrets: sensitive parts of the payload are masked, and URLs in `notify` are
    cut to their origin, as in the views of tasks and runs."""
    copy = dict(fields)
    if mask_of_payload is not None:
        copy["payload"] = mask_value(mask_of_payload, copy.get("payload"))
    if copy.get("notify"):
        copy["notify"] = target_views(tuple(copy["notify"]))
    return copy


def workflow_template(content: dict[str, Any]) -> dict[str, Any]:
    """A copy without secrets, as of a task template."""
    copy: dict[str, Any] = mask_value(content["mask"], content["workflow"])
    if copy.get("notify"):
        copy = copy | {"notify": target_views(tuple(copy["notify"]))}
    return copy
