"""Schedules as the API answers them, typed. Fields that this version does not know are kept in `raw`."""

from dataclasses import dataclass, field
from datetime import datetime

from taskyard.api.json_fields import Json
from taskyard.times import from_iso_time, instant_of


@dataclass(frozen=True, slots=True)
class Schedule:
    """next_times: the next five; none while it is paused. task, workflow: the template of what it submits; the other
    one is empty. fired, skipped, missed: counts of its firings so far. managed_by: `api`, or `deployment` for one that
    an app declares as declared_as, which the API can only pause, resume and run."""

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
    workflow: Json = field(default_factory=dict)
    managed_by: str = "api"
    declared_as: str | None = None
    fired: int = 0
    skipped: int = 0
    missed: int = 0
    last_task_id: str | None = None
    last_workflow_id: str | None = None
    last_scheduled_at: datetime | None = None
    last_fired_at: datetime | None = None
    last_skipped_at: datetime | None = None
    last_missed_at: datetime | None = None
    last_error: str | None = None
    raw: Json = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, document: Json) -> "Schedule":
        return cls(
            id=str(document["id"]),
            cron=document.get("cron"),
            rate=document.get("rate"),
            timezone=str(document.get("timezone", "UTC")),
            paused=bool(document["paused"]),
            next_times=tuple(from_iso_time(at) for at in document["nextTimes"]),
            name=document.get("name"),
            expression=document.get("expression"),
            start_at=instant_of(document, "startAt"),
            end_at=instant_of(document, "endAt"),
            overlap=str(document.get("overlap", "allow")),
            catch_up=str(document.get("catchUp", "none")),
            task=dict(document.get("task") or {}),
            workflow=dict(document.get("workflow") or {}),
            managed_by=str(document.get("managedBy") or "api"),
            declared_as=document.get("declaredAs"),
            fired=int(document.get("fired") or 0),
            skipped=int(document.get("skipped") or 0),
            missed=int(document.get("missed") or 0),
            last_task_id=document.get("lastTaskId"),
            last_workflow_id=document.get("lastWorkflowId"),
            last_scheduled_at=instant_of(document, "lastScheduledAt"),
            last_fired_at=instant_of(document, "lastFiredAt"),
            last_skipped_at=instant_of(document, "lastSkippedAt"),
            last_missed_at=instant_of(document, "lastMissedAt"),
            last_error=document.get("lastError"),
            raw=document,
        )


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """One page of a listing, newest first. `cursor` is None on the last one."""

    schedules: tuple[Schedule, ...]
    cursor: str | None = None

    @classmethod
    def from_json(cls, document: Json) -> "SchedulePage":
        return cls(tuple(Schedule.from_json(item) for item in document["schedules"]), document.get("cursor") or None)
