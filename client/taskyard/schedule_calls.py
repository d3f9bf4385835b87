"""The calls of /schedules as values, like those in `taskyard.calls`."""

from collections.abc import Mapping
from typing import Any, Unpack

from taskyard.calls import JSON, Call, Request, encode, path_of, post, query_of
from taskyard.idempotency import key_header
from taskyard.model import Task
from taskyard.options import SCHEDULE, ScheduleOptions, named
from taskyard.schedule_model import Schedule, SchedulePage

TAKEN_AWAY = ("name", "startAt", "endAt")


def create(
    task: Mapping[str, Any], *, idempotency_key: str | None = None, **options: Unpack[ScheduleOptions]
) -> Call[Schedule]:
    if (options.get("cron") is None) == (options.get("rate") is None):
        raise ValueError("a schedule has a cron expression or a rate: exactly one of them")
    return post("/schedules", named(options, SCHEDULE) | {"task": dict(task)}, Schedule.read, idempotency_key)


def get(schedule_id: str) -> Call[Schedule]:
    return Call(Request("GET", path_of("schedules", schedule_id)), Schedule.read)


def page(limit: int | None = None, cursor: str | None = None) -> Call[SchedulePage]:
    return Call(Request("GET", "/schedules" + query_of(limit=limit, cursor=cursor)), SchedulePage.read)


def update(
    schedule_id: str, *, task: Mapping[str, Any] | None = None, **options: Unpack[ScheduleOptions]
) -> Call[Schedule]:
    """name, start_at, end_at: None takes it away."""
    changes = named(options, SCHEDULE) | ({} if task is None else {"task": dict(task)})
    document = {name: value for name, value in changes.items() if value is not None or name in TAKEN_AWAY}
    if not document:
        raise ValueError("nothing to change: give at least one field")
    return Call(Request("PATCH", path_of("schedules", schedule_id), JSON, encode(document)), Schedule.read)


def delete(schedule_id: str) -> Call[None]:
    return Call(Request("DELETE", path_of("schedules", schedule_id)), lambda document: None, removes=True)


def run(schedule_id: str, idempotency_key: str | None = None) -> Call[Task]:
    path = f"{path_of('schedules', schedule_id)}/run"
    return Call(Request("POST", path, key_header(idempotency_key)), Task.read)
