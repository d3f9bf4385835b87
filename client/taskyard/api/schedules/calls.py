"""Calls of /schedules, and their options."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, Unpack

from taskyard.api.json_fields import Json
from taskyard.api.request_fields import FieldMap, same_value, to_fields
from taskyard.api.requests import encode, path_of, post, query_of
from taskyard.api.schedules.models import Schedule, SchedulePage
from taskyard.api.tasks.models import Task
from taskyard.api.workflows.models import Workflow
from taskyard.times import iso_time
from taskyard.transport.call import JSON_HEADERS, Call, Request
from taskyard.transport.idempotency_keys import key_header


class ScheduleOptions(TypedDict, total=False):
    """cron: five fields as in Unix; or rate: `5 minutes`. timezone: an IANA name. start_at, end_at: aware datetimes of
    the first and the end of its times (end_at: exclusive). overlap: `skip` submits nothing while the previous task has
    not ended. catch_up: `last` submits a task once for all times that were missed. In an update None clears name,
    start_at and end_at.
    """

    cron: str | None
    rate: str | None
    timezone: str | None
    name: str | None
    start_at: datetime | None
    end_at: datetime | None
    paused: bool | None
    overlap: str | None
    catch_up: str | None


SCHEDULE_FIELDS: FieldMap = {
    "cron": ("cron", same_value),
    "rate": ("rate", same_value),
    "timezone": ("timezone", same_value),
    "name": ("name", same_value),
    "start_at": ("startAt", iso_time),
    "end_at": ("endAt", iso_time),
    "paused": ("paused", same_value),
    "overlap": ("overlap", same_value),
    "catch_up": ("catchUp", same_value),
}

CLEARABLE_FIELDS = ("name", "startAt", "endAt")
"""Fields that an update clears when they are None."""


def create(
    task: Mapping[str, Any] | None = None,
    *,
    workflow: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    **options: Unpack[ScheduleOptions],
) -> Call[Schedule]:
    """Submit a task or a workflow again and again. task: a body of POST /tasks, `{"type": …, "payload": …}`; or
    workflow: a body of POST /workflows, `{"nodes": …}`. Options: cron or rate, timezone, name, start_at, end_at,
    paused, overlap, catch_up. Raises InvalidRequest with the invalid fields."""
    if (task is None) == (workflow is None):
        raise ValueError("a schedule submits a task or a workflow: exactly one of them")
    if (options.get("cron") is None) == (options.get("rate") is None):
        raise ValueError("a schedule has a cron expression or a rate: exactly one of them")
    body = to_fields(options, SCHEDULE_FIELDS) | template_fields(task, workflow)
    return post("/schedules", body, Schedule.from_json, idempotency_key)


def template_fields(task: Mapping[str, Any] | None, workflow: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: dict(each) for name, each in (("task", task), ("workflow", workflow)) if each is not None}


def get(schedule_id: str) -> Call[Schedule]:
    """Read a schedule with its next times. Raises NotFound."""
    return Call(Request("GET", path_of("schedules", schedule_id)), Schedule.from_json)


def page(limit: int | None = None, cursor: str | None = None) -> Call[SchedulePage]:
    """One page of a listing, newest first."""
    return Call(Request("GET", "/schedules" + query_of(limit=limit, cursor=cursor)), SchedulePage.from_json)


def update(
    schedule_id: str,
    *,
    task: Mapping[str, Any] | None = None,
    workflow: Mapping[str, Any] | None = None,
    **options: Unpack[ScheduleOptions],
) -> Call[Schedule]:
    """Change a schedule. A field that is left out stays; None clears name, start_at and end_at. A task takes the place
    of a workflow, and the other way round."""
    changes = to_fields(options, SCHEDULE_FIELDS) | template_fields(task, workflow)
    document = {name: value for name, value in changes.items() if value is not None or name in CLEARABLE_FIELDS}
    if not document:
        raise ValueError("nothing to change: give at least one field")
    return Call(Request("PATCH", path_of("schedules", schedule_id), JSON_HEADERS, encode(document)), Schedule.from_json)


def pause(schedule_id: str) -> Call[Schedule]:
    """Submit nothing until the schedule is resumed."""
    return update(schedule_id, paused=True)


def resume(schedule_id: str) -> Call[Schedule]:
    """Submit again. With catch_up "last", one task is submitted for all times that were missed meanwhile."""
    return update(schedule_id, paused=False)


def delete(schedule_id: str) -> Call[None]:
    """Delete a schedule; its tasks stay. Raises NotFound."""
    return Call(Request("DELETE", path_of("schedules", schedule_id)), lambda document: None, removes=True)


def run(schedule_id: str, idempotency_key: str | None = None) -> Call[Task | Workflow]:
    """Submit its task or workflow now, once per idempotency key."""
    path = f"{path_of('schedules', schedule_id)}/run"
    return Call(Request("POST", path, key_header(idempotency_key)), submitted_from_json)


def submitted_from_json(document: Json) -> Task | Workflow:
    return Workflow.from_json(document) if "nodeCount" in document else Task.from_json(document)
