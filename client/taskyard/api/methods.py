"""The methods that `Taskyard` and `AsyncTaskyard` have in common."""

from taskyard.api import monitor, task_types
from taskyard.api.notifications import Notification, undeliverable
from taskyard.api.tasks.methods import DeadLetterMethods, TaskMethods
from taskyard.operations.methods import CallMethod, PagesMethod
from taskyard.operations.paging import Pages
from taskyard.transport.connection import Connection


def list_undeliverable(connection: Connection, limit: int | None = None) -> Pages[Notification]:
    """Notifications that could not be delivered, newest first."""
    return Pages(connection, undeliverable, lambda page: page.notifications, limit)


class ClientMethods(TaskMethods, DeadLetterMethods):
    undeliverable = PagesMethod(list_undeliverable)
    types = CallMethod(task_types.types)
    stats = CallMethod(monitor.stats)
    health = CallMethod(monitor.health)
