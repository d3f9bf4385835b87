"""The methods that `Taskyard` and `AsyncTaskyard` have in common."""

from typing import Unpack

from taskyard.api import audit as audit_calls
from taskyard.api import monitor, task_types
from taskyard.api.audit import AuditFilter, AuditRecord
from taskyard.api.notifications import Notification, undeliverable
from taskyard.api.tasks.methods import DeadLetterMethods, TaskMethods
from taskyard.operations.methods import CallMethod, PagesMethod
from taskyard.operations.paging import Pages
from taskyard.transport.connection import Connection


def list_undeliverable(connection: Connection, limit: int | None = None) -> Pages[Notification]:
    """Notifications that could not be delivered, newest first."""
    return Pages(connection, undeliverable, lambda page: page.notifications, limit)


def list_audit_records(
    connection: Connection, *, limit: int | None = None, **filter: Unpack[AuditFilter]
) -> Pages[AuditRecord]:
    """Who did what, newest first; takes the role admin. Filters: since, until, principal, action, id."""
    return Pages(
        connection, lambda size, cursor: audit_calls.page(size, cursor, filter), lambda page: page.records, limit
    )


class ClientMethods(TaskMethods, DeadLetterMethods):
    undeliverable = PagesMethod(list_undeliverable)
    audit = PagesMethod(list_audit_records)
    types = CallMethod(task_types.types)
    stats = CallMethod(monitor.stats)
    health = CallMethod(monitor.health)
