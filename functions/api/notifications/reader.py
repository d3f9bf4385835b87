"""Notifications of a task or a run, and GET /notifications: those that could not be delivered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.api.paging import UNKNOWN_CURSOR, decode_cursor, encode_cursor, limit_of
from functions.api.request import QueryParameters
from functions.core.errors import FieldError, InvalidRequest
from functions.core.notifications import events
from functions.core.notifications.events import (
    Delivery,
    display_target,
    run_notifications,
    task_notifications,
)
from functions.core.task import Task
from functions.core.times import iso_time_or_none
from functions.core.workflows.run import Run
from functions.store.notifications import NotificationStore, StoredNotification

if TYPE_CHECKING:
    from functions.api.notifications import schemas
    from functions.intake.task_schemas import Notification

POSITION = re.compile(r"[0-9]{13}#[0-9a-z-]{28,80}")


@dataclass(frozen=True)
class NotificationReader:
    store: NotificationStore

    def of_task(self, task: Task) -> list[Notification]:
        """Of a task with `notify`, oldest first. A redriven task also has those of its earlier ends."""
        if not task.settled and not task.redrives:
            return waiting_views(task.notify)
        records = self.store.list_of_owner(task.tenant, "task", task.id)
        if task.settled:
            return views_with_pending(records, task_notifications(task))
        return [*map(record_view, records), *waiting_views(task.notify)]

    def of_run(self, run: Run) -> list[Notification]:
        if not run.ended and run.round == 1:
            return waiting_views(run.notify)
        records = self.store.list_of_owner(run.tenant, "workflow", run.id)
        if run.ended:
            return views_with_pending(records, run_notifications(run))
        return [*map(record_view, records), *waiting_views(run.notify)]

    def page(self, tenant: str, query: QueryParameters) -> schemas.NotificationList:
        """Newest first. Raises InvalidRequest with every parameter at fault."""
        errors = list(query.errors)
        if query.get("state") != Delivery.UNDELIVERABLE:
            errors.append(FieldError("state", f"must be {Delivery.UNDELIVERABLE}: the others are with their tasks"))
        limit = limit_of(query, errors)
        after = None
        if cursor := query.get("cursor"):
            # It names a position in the list of the caller's own tenant: it needs no check of whose it is.
            after = decode_cursor(cursor)
            if not POSITION.fullmatch(after):
                errors.append(FieldError("cursor", UNKNOWN_CURSOR))
        if errors:
            raise InvalidRequest(errors)
        page = self.store.list_undeliverable(tenant, limit=limit, after=after)
        return {
            "notifications": [
                {**record_view(record), "of": record.owner, "id": record.id} for record in page.notifications
            ],
            "cursor": None if page.after is None else encode_cursor(page.after),
        }


def views_with_pending(records: Iterable[StoredNotification], due: Iterable[events.Notification]) -> list[Notification]:
    """Of the records, then of the due notifications that have no record yet: their first attempt has not ended."""
    known = list(records)
    recorded = {(record.event, record.target) for record in known}
    pending = [
        notification_view(event=each.event, target=each.target, to=display_target(each.to), state=Delivery.PENDING)
        for each in due
        if (each.event, each.target) not in recorded
    ]
    return [*map(record_view, known), *pending]


def waiting_views(notify: tuple[dict[str, Any], ...]) -> list[Notification]:
    return [
        notification_view(event=None, target=index, to=display_target(target), state=Delivery.WAITING)
        for index, target in enumerate(notify)
    ]


def record_view(record: StoredNotification) -> Notification:
    return notification_view(
        event=record.event,
        target=record.target,
        to=record.to,
        state=record.state,
        attempts=record.attempts,
        status=record.status,
        error=record.error,
        first_at=record.first_at,
        last_at=record.last_at,
    )


def notification_view(
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
) -> Notification:
    return {
        "event": event,
        "target": target,
        "to": to,
        "state": state,
        "attempts": attempts,
        "status": status,
        "error": error,
        "firstAttemptAt": iso_time_or_none(first_at),
        "lastAttemptAt": iso_time_or_none(last_at),
    }
