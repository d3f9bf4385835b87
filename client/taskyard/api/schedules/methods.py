"""The methods of `Taskyard.schedules` and `AsyncTaskyard.schedules`."""

from taskyard.api.schedules import calls
from taskyard.api.schedules.models import Schedule
from taskyard.operations.methods import AsyncMethods, BlockingMethods, CallMethod, PagesMethod
from taskyard.operations.paging import Pages
from taskyard.transport.connection import Connection


def list_schedules(connection: Connection, limit: int | None = None) -> Pages[Schedule]:
    """Newest first, at most `limit` in all."""
    return Pages(connection, calls.page, lambda page: page.schedules, limit)


class ScheduleMethods:
    create = CallMethod(calls.create)
    get = CallMethod(calls.get)
    page = CallMethod(calls.page)
    list = PagesMethod(list_schedules)
    update = CallMethod(calls.update)
    pause = CallMethod(calls.pause)
    resume = CallMethod(calls.resume)
    delete = CallMethod(calls.delete)
    run = CallMethod(calls.run)


class Schedules(ScheduleMethods, BlockingMethods):
    """Tasks and workflows that are submitted again and again: create, read, change, pause, resume, run, delete."""


class AsyncSchedules(ScheduleMethods, AsyncMethods):
    """`Schedules` with `await`."""
