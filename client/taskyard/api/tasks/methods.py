"""The methods of both clients for tasks and dead letters."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Unpack

from taskyard.api import dead_letters as dead_letter_calls
from taskyard.api.dead_letters import DeadLetterFilter, Redrive, RedriveOptions
from taskyard.api.tasks import bulk_cancel, calls
from taskyard.api.tasks.batch import Outcome, batches
from taskyard.api.tasks.bulk_cancel import CancelFilter, Cancelled
from taskyard.api.tasks.models import Task, TaskSpec
from taskyard.api.tasks.waiting import wait
from taskyard.errors import ProblemError, UnexpectedAnswer, Unreachable
from taskyard.operations.methods import CallMethod, PagesMethod, StepsMethod
from taskyard.operations.paging import Pages
from taskyard.operations.steps import Steps, send
from taskyard.transport.connection import Connection


def list_tasks(
    connection: Connection, state: str | None = None, type: str | None = None, limit: int | None = None
) -> Pages[Task]:
    """Newest first, at most `limit` in all."""
    return Pages(connection, lambda size, cursor: calls.page(state, type, size, cursor), lambda page: page.tasks, limit)


def reschedule(
    connection: Connection, task_id: str, run_at: datetime | None = None, *, delay: float | timedelta | None = None
) -> Steps[Task]:
    """Move a task that has not started to another run time. Raises Conflict when it has started."""
    return send(connection, calls.reschedule(task_id, run_at, delay, connection.now()))


def submit_batch(connection: Connection, tasks: Iterable[Mapping[str, Any] | TaskSpec]) -> Steps[list[Outcome]]:
    """Submit many tasks, each as a TaskSpec or as a body of POST /tasks. Returns the outcome of each, in order: a task
    that is refused does not stop the others. A request that fails as a whole is the outcome of each of its tasks, which
    the server may have accepted: submitting `outcome.sent` again gives the same task.
    """
    outcomes: list[Outcome] = []
    for batch in batches(tasks):
        try:
            outcomes += yield from send(connection, batch.call)
        except (ProblemError, Unreachable, UnexpectedAnswer) as error:
            outcomes += batch.failed_outcomes(error)
    return outcomes


def cancel_many(
    connection: Connection,
    ids: Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    reason: str | None = None,
    **filter: Unpack[CancelFilter],
) -> Steps[Cancelled]:
    """Cancel tasks that have not started: by ids, or all that match type, state and tags. Each keeps the `reason`."""
    total = Cancelled(0, (), {}, dry_run)
    for first_call in bulk_cancel.cancel_many(ids, dry_run=dry_run, reason=reason, **filter):
        call = first_call
        while True:
            page = yield from send(connection, call)
            total += page
            if page.cursor is None:
                break
            call = bulk_cancel.next_page(first_call, page.cursor)
    return total


def list_dead_letters(
    connection: Connection, *, limit: int | None = None, **filter: Unpack[DeadLetterFilter]
) -> Pages[Task]:
    """Tasks that ended as FAILED or DEAD, the latest first. Filters: type, error_type, since, until."""
    return Pages(
        connection, lambda size, cursor: dead_letter_calls.page(size, cursor, filter), lambda page: page.tasks, limit
    )


def redrive_pages(
    connection: Connection, *, dry_run: bool = False, **options: Unpack[RedriveOptions]
) -> Pages[Redrive]:
    """As `redrive`, one request at a time, to show progress or to stop."""
    return Pages(
        connection, lambda size, cursor: dead_letter_calls.redrive(dry_run, cursor, options), lambda redrive: [redrive]
    )


def redrive(connection: Connection, *, dry_run: bool = False, **options: Unpack[RedriveOptions]) -> Steps[Redrive]:
    """Run all dead letters again that match, or only count them; returns the sums. Options: the filters of
    `dead_letters`, rate, attempts."""
    total, pages = Redrive(0, 0, 0, dry_run), redrive_pages(connection, dry_run=dry_run, **options)
    while not pages.exhausted:
        for page in (yield from pages.read_next()):
            total += page
    return total


class TaskMethods:
    submit = CallMethod(calls.submit)
    submit_body = CallMethod(calls.submit_body)
    submit_batch = StepsMethod(submit_batch)
    get = CallMethod(calls.get)
    page = CallMethod(calls.page)
    list = PagesMethod(list_tasks)
    update = CallMethod(calls.update)
    reschedule = StepsMethod(reschedule)
    cancel = CallMethod(calls.cancel)
    cancel_many = StepsMethod(cancel_many)
    wait = StepsMethod(wait)


class DeadLetterMethods:
    dead_letters = PagesMethod(list_dead_letters)
    retry = CallMethod(dead_letter_calls.retry)
    redrive = StepsMethod(redrive)
    redrive_pages = PagesMethod(redrive_pages)
