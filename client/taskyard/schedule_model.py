"""Schedules as the API answers them, typed. As in `taskyard.model`, what this version does not know is in `raw`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taskyard.times import from_wire, instant

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """next_times: the next five; none while it is paused. task: the template. fired, skipped, missed: so far."""

    id: str
    cron: str | None
    rate: str | None
    timezone: str
    paused: bool
    next_times: tuple[datetime, ...]
    name: str | None = None
    expression: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    overlap: str = "allow"
    catch_up: str = "none"
    task: Json = field(default_factory=dict)
    fired: int = 0
    skipped: int = 0
    missed: int = 0
    last_task_id: str | None = None
    last_scheduled_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_skipped_at: datetime | None = None
    last_missed_at: datetime | None = None
    last_error: str | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, document: Json) -> "Schedule":
        return cls(
            id=str(document["id"]),
            cron=document.get("cron"),
            rate=document.get("rate"),
            timezone=str(document.get("timezone", "UTC")),
            paused=bool(document["paused"]),
            next_times=tuple(from_wire(at) for at in document["nextTimes"]),
            name=document.get("name"),
            expression=document.get("expression"),
            start_at=instant(document, "startAt"),
            end_at=instant(document, "endAt"),
            overlap=str(document.get("overlap", "allow")),
            catch_up=str(document.get("catchUp", "none")),
            task=dict(document.get("task") or {}),
            fired=int(document.get("fired") or 0),
            skipped=int(document.get("skipped") or 0),
            missed=int(document.get("missed") or 0),
            last_task_id=document.get("lastTaskId"),
            last_scheduled_at=instant(document, "lastScheduledAt"),
            last_fired_at=instant(document, "lastFiredAt"),
            last_skipped_at=instant(document, "lastSkippedAt"),
            last_missed_at=instant(document, "lastMissedAt"),
            last_error=document.get("lastError"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """One page of a listing, newest first. `cursor` is None on the last one."""

    schedules: tuple[Schedule, ...]
    cursor: str | None = None

    @classmethod
    def read(cls, document: Json) -> "SchedulePage":
        return cls(tuple(Schedule.read(item) for item in document["schedules"]), document.get("cursor") or None)
