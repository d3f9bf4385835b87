"""The calls of /schedules as values, like those in `taskyard.calls`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from taskyard.calls import UNSET, Call, Request, Unset, encode, new_key
from taskyard.model import Task
from taskyard.schedule_model import Schedule, SchedulePage
from taskyard.times import to_wire

JSON = {"content-type": "application/json"}


def create(
    task: Mapping[str, Any],
    *,
    cron: str | None = None,
    rate: str | None = None,
    timezone: str | None = None,
    name: str | None = None,
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    paused: bool | None = None,
    overlap: str | None = None,
    catch_up: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Schedule]:
    """What is None is left out, so that the server's own default holds."""
    if (cron is None) == (rate is None):
        raise ValueError("a schedule has a cron expression or a rate: exactly one of them")
    named: dict[str, Any] = {
        "name": name,
        "cron": cron,
        "rate": rate,
        "timezone": timezone,
        "startAt": None if start_at is None else to_wire(start_at),
        "endAt": None if end_at is None else to_wire(end_at),
        "paused": paused,
        "overlap": overlap,
        "catchUp": catch_up,
        "task": dict(task),
    }
    document = {field: value for field, value in named.items() if value is not None}
    headers = JSON | {"idempotency-key": idempotency_key or new_key()}
    return Call(Request("POST", "/schedules", headers, encode(document)), Schedule.read)


def get(schedule_id: str) -> Call[Schedule]:
    return Call(Request("GET", _path(schedule_id)), Schedule.read)


def page(limit: int | None = None, cursor: str | None = None) -> Call[SchedulePage]:
    named = {"limit": limit, "cursor": cursor}
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in named.items() if value is not None)
    return Call(Request("GET", "/schedules" + (f"?{query}" if query else "")), SchedulePage.read)


def update(
    schedule_id: str,
    *,
    task: Mapping[str, Any] | None = None,
    cron: str | None = None,
    rate: str | None = None,
    timezone: str | None = None,
    name: str | Unset | None = UNSET,
    start_at: datetime | Unset | None = UNSET,
    end_at: datetime | Unset | None = UNSET,
    paused: bool | None = None,
    overlap: str | None = None,
    catch_up: str | None = None,
) -> Call[Schedule]:
    """name, start_at, end_at: None takes it away."""
    named: dict[str, Any] = {
        "cron": cron,
        "rate": rate,
        "timezone": timezone,
        "paused": paused,
        "overlap": overlap,
        "catchUp": catch_up,
        "task": None if task is None else dict(task),
    }
    document = {field: value for field, value in named.items() if value is not None}
    for field, value in (("name", name), ("startAt", start_at), ("endAt", end_at)):
        if value is not UNSET:
            document[field] = to_wire(value) if isinstance(value, datetime) else value
    if not document:
        raise ValueError("nothing to change: give at least one field")
    return Call(Request("PATCH", _path(schedule_id), JSON, encode(document)), Schedule.read)


def delete(schedule_id: str) -> Call[None]:
    return Call(Request("DELETE", _path(schedule_id)), lambda document: None)


def run(schedule_id: str, idempotency_key: str | None = None) -> Call[Task]:
    headers = {"idempotency-key": idempotency_key or new_key()}
    return Call(Request("POST", f"{_path(schedule_id)}/run", headers), Task.read)


def _path(schedule_id: str) -> str:
    if not schedule_id:
        raise ValueError("an empty schedule id")
    return f"/schedules/{quote(schedule_id, safe='')}"
