"""How far a task's or a run's notifications have come, and GET /notifications: those that nobody could be told."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.api.tasks.listing import DEFAULT_LIMIT, MAX_LIMIT, limited
from functions.core.errors import FieldError, InvalidRequest
from functions.core.notifications.events import Delivery, Notification, of_run, of_task, shown
from functions.core.task import Task
from functions.core.workflows.run import Run
from functions.intake.task_views import Json, written
from functions.store.notifications import Known, NotificationStore

PARAMETERS = ("state", "limit", "cursor")
POSITION = re.compile(r"[0-9]{13}#[0-9a-z-]{28,80}")


@dataclass(frozen=True)
class NotificationLook:
    store: NotificationStore

    def of_task(self, task: Task) -> list[Json]:
        """Of a task with `notify`. Of the ends that it had before it was redriven too; oldest first."""
        if not task.settled and not task.redriven:
            return waiting(task.notify)
        found = self.store.of(task.tenant, "task", task.id)
        return told(found, of_task(task)) if task.settled else [*map(view, found), *waiting(task.notify)]

    def of_run(self, run: Run) -> list[Json]:
        if not run.ended and run.round == 1:
            return waiting(run.notify)
        found = self.store.of(run.tenant, "workflow", run.id)
        return told(found, of_run(run)) if run.ended else [*map(view, found), *waiting(run.notify)]

    def page(self, tenant: str, parameters: Mapping[str, str]) -> Json:
        errors = [FieldError(name, "is not a known parameter") for name in parameters if name not in PARAMETERS]
        if parameters.get("state") != Delivery.UNDELIVERABLE:
            errors.append(FieldError("state", f"must be {Delivery.UNDELIVERABLE}: the others are with their tasks"))
        limit = limited(parameters.get("limit") or None)
        if limit is None:
            errors.append(FieldError("limit", f"must be a whole number from 1 to {MAX_LIMIT}"))
        after = None
        if given := parameters.get("cursor"):
            after = position(given)
            if after is None:
                errors.append(FieldError("cursor", "is not one that this API has given"))
        if errors:
            raise InvalidRequest(errors)
        page = self.store.undeliverable(tenant, limit=limit or DEFAULT_LIMIT, after=after)
        return {
            "notifications": [view(found) | {"of": found.of, "id": found.id} for found in page.notifications],
            "cursor": None if page.after is None else cursor(page.after),
        }


def told(found: Iterable[Known], owed: Iterable[Notification]) -> list[Json]:
    """What is known, then what is owed and not known of yet: its first attempt has not ended."""
    known = list(found)
    there = {(each.event, each.target) for each in known}
    pending = [
        entry(event=note.event, target=note.target, to=shown(note.to), state=Delivery.PENDING)
        for note in owed
        if (note.event, note.target) not in there
    ]
    return [*map(view, known), *pending]


def waiting(notify: tuple[dict[str, Any], ...]) -> list[Json]:
    return [entry(event=None, target=at, to=shown(target), state=Delivery.WAITING) for at, target in enumerate(notify)]


def view(found: Known) -> Json:
    return entry(
        event=found.event,
        target=found.target,
        to=found.to,
        state=found.state,
        attempts=found.attempts,
        status=found.status,
        error=found.error,
        first_at=found.first_at,
        last_at=found.last_at,
    )


def entry(
    *,
    event: str | None,
    target: int,
    to: str,
    state: Delivery,
    attempts: int = 0,
    status: int | None = None,
    error: str | None = None,
    first_at: int | None = None,
    last_at: int | None = None,
) -> Json:
    return {
        "event": event,
        "target": target,
        "to": to,
        "state": state,
        "attempts": attempts,
        "status": status,
        "error": error,
        "firstAttemptAt": written(first_at),
        "lastAttemptAt": written(last_at),
    }


def cursor(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def position(cursor: str) -> str | None:
    """None for what is no cursor. Whose it was does not matter: it is a place in the caller's own list."""
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        after = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        return None
    return after if POSITION.fullmatch(after) else None
