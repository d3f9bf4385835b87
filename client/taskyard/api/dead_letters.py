"""/dead-letters: tasks that ended as FAILED or DEAD, and running them again. Models, options and calls."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from taskyard.api.json_fields import Json
from taskyard.api.request_fields import FieldMap, same_value, to_fields
from taskyard.api.requests import path_of, post, query_of
from taskyard.api.tasks.models import Page, Task
from taskyard.times import instant_of, iso_time
from taskyard.transport.call import Call, Request


class DeadLetterFilter(TypedDict, total=False):
    """Which dead letters. error_type: class of the last error. since, until: when the task ended (until: exclusive)."""

    type: str | None
    error_type: str | None
    since: datetime | None
    until: datetime | None


DEAD_LETTER_FIELDS: FieldMap = {
    "type": ("type", same_value),
    "error_type": ("errorType", same_value),
    "since": ("since", iso_time),
    "until": ("until", iso_time),
}


class RedriveOptions(DeadLetterFilter, total=False):
    """rate: tasks per second (None: 10). attempts: new attempts of each task (None: the default of its type)."""

    rate: float | None
    attempts: int | None


REDRIVE_FIELDS: FieldMap = {
    **DEAD_LETTER_FIELDS,
    "rate": ("ratePerSecond", same_value),
    "attempts": ("attempts", same_value),
}


@dataclass(frozen=True, slots=True)
class Redrive:
    """Dead letters that a redrive returned to work (with dry_run: would return). skipped: nodes of workflows, which are
    retried with their workflow, and tasks that something else changed meanwhile. last_due: when the last one is due."""

    matched: int
    redriven: int
    skipped: int
    dry_run: bool
    last_due: datetime | None = None
    cursor: str | None = None

    @classmethod
    def from_json(cls, document: Json) -> "Redrive":
        return cls(
            matched=int(document["matched"]),
            redriven=int(document["redriven"]),
            skipped=int(document["skipped"]),
            dry_run=bool(document["dryRun"]),
            last_due=instant_of(document, "lastDue"),
            cursor=document.get("cursor") or None,
        )

    def __add__(self, later: "Redrive") -> "Redrive":
        return Redrive(
            self.matched + later.matched,
            self.redriven + later.redriven,
            self.skipped + later.skipped,
            later.dry_run,
            later.last_due or self.last_due,
            later.cursor,
        )


def page(limit: int, cursor: str | None, filter: DeadLetterFilter) -> Call[Page]:
    query = query_of(**to_fields(filter, DEAD_LETTER_FIELDS), limit=limit, cursor=cursor)
    return Call(Request("GET", f"/dead-letters{query}"), Page.from_json)


def retry(task_id: str, attempts: int | None = None) -> Call[Task]:
    """Run a dead letter again, now, with new attempts (None: the default of its type). Raises Conflict for a task that
    is not a dead letter."""
    return post(f"{path_of('tasks', task_id)}/retry", {"attempts": attempts}, Task.from_json)


def redrive(dry_run: bool, cursor: str | None, options: RedriveOptions) -> Call[Redrive]:
    document = to_fields(options, REDRIVE_FIELDS) | {"dryRun": dry_run, "cursor": cursor}
    return post("/dead-letters/redrive", document, Redrive.from_json)
