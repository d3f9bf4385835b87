"""The synchronous client: `taskyard.calls` sent one after the other. Safe to share between threads."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from taskyard import calls, task_types
from taskyard import dead_letter_calls as desk_calls
from taskyard.calls import UNSET, Call, Request, Response
from taskyard.connection import TIMEOUT_SECONDS, Connection, Tries, response_of, unread
from taskyard.errors import ProblemError, Throttled, Unavailable, UnexpectedAnswer, Unreachable, WaitTimeout
from taskyard.following import Patience, each
from taskyard.model import Cancelled, Health, Outcome, Page, Redrive, Stats, Task, TaskSpec
from taskyard.notify import Notification
from taskyard.options import CancelFilter, LetterFilter, RedriveOptions, TaskOptions
from taskyard.retrying import Backoff
from taskyard.schedules import Schedules
from taskyard.task_types import TaskType
from taskyard.transport import DeadlineTransport
from taskyard.workflows import Workflows

T = TypeVar("T")
# Inside the class `list` is the method.
BuiltinList = list


def _now() -> datetime:
    return datetime.now(UTC)


class Taskyard:
    """url: else TASKYARD_URL, else the local system's `.local/endpoint.json` in this folder or above.
    auth: "none", "iam", or a bearer token; None is TASKYARD_AUTH, else TASKYARD_TOKEN; of a local system its own token.
    timeout: seconds that one request may take, to the last byte of its answer; a call may make several.
    transport, sleep, draw, now, clock: for tests. `draw` is uniform in [0, 1); `clock` counts seconds.
    """

    def __init__(
        self,
        url: str | None = None,
        auth: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        backoff: Backoff | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = Connection.open(url, auth, backoff, draw, now, clock, timeout)
        if transport is None:
            tls = self.url.startswith("https:")
            transport = DeadlineTransport(tls=tls, proxy=self._connection.proxy)
        self._http = httpx.Client(transport=transport, trust_env=False)
        self._sleep, self._now, self._clock = sleep, now, clock

    @property
    def workflows(self) -> Workflows:
        """DAGs of tasks: submit, look, wait, cancel, retry, draw."""
        return Workflows(self._perform, self._sleep, self._clock)

    @property
    def schedules(self) -> Schedules:
        """Tasks that are submitted again and again: create, look, change, pause, resume, run, delete."""
        return Schedules(self._perform)

    @property
    def url(self) -> str:
        return self._connection.endpoint.url

    @property
    def auth(self) -> str:
        """none, iam or bearer."""
        return self._connection.endpoint.auth_kind

    def submit(
        self, type: str, payload: Any = None, *, idempotency_key: str | None = None, **options: Unpack[TaskOptions]
    ) -> Task:
        """Submit a task. Tried again after a lost answer it stays one task: each submit has a key, yours or a new one.

        Options: run_at or delay, priority, max_retries, retry, timeout, tags, dependencies, notify.
        Raises InvalidRequest with the fields at fault.
        """
        return self._perform(calls.submit(type, payload, idempotency_key=idempotency_key, **options))

    def submit_body(self, body: bytes, idempotency_key: str | None = None) -> Task:
        """Submit a JSON body as it is, under whatever names its fields have."""
        return self._perform(calls.submit_body(body, idempotency_key))

    def get(self, task_id: str) -> Task:
        return self._perform(calls.get(task_id))

    def page(
        self,
        state: str | None = None,
        type: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """One page of a listing, newest first."""
        return self._perform(calls.page(state, type, limit, cursor))

    def list(self, state: str | None = None, type: str | None = None, limit: int | None = None) -> Iterator[Task]:
        """Newest first, at most `limit` in all; pages are fetched as the iterator reaches them."""
        return each(lambda size, cursor: self.page(state, type, size, cursor), lambda page: page.tasks, limit)

    def cancel(self, task_id: str) -> None:
        """Cancel a task that has not started; again is fine. Raises Conflict when it has started or settled."""
        self._perform(calls.cancel(task_id))

    def reschedule(
        self, task_id: str, run_at: datetime | None = None, *, delay: float | timedelta | None = None
    ) -> Task:
        """Move a task that has not started to another time. Raises Conflict when it has."""
        return self._perform(calls.reschedule(task_id, run_at, delay, self._now()))

    def update(
        self,
        task_id: str,
        *,
        priority: int | str | None = None,
        payload: Any = UNSET,
        run_at: datetime | None = None,
    ) -> Task:
        """Change a task that has not started. Raises Conflict when it has."""
        return self._perform(calls.update(task_id, priority=priority, payload=payload, run_at=run_at))

    def submit_batch(self, tasks: Iterable[Mapping[str, Any] | TaskSpec]) -> BuiltinList[Outcome]:
        """Submit many: a TaskSpec each, or a body as POST /tasks takes it. Returns what became of each, in order: one
        that is refused stops no other. A request that fails whole is the outcome of each of its tasks, which may have
        been accepted: `outcome.sent` submitted again is the same task.
        """
        outcomes: BuiltinList[Outcome] = []
        for batch in desk_calls.batches(tasks):
            try:
                done = self._perform(batch.call)
            except (ProblemError, Unreachable, UnexpectedAnswer) as error:
                done = batch.failed(error)
            outcomes += done
        return outcomes

    def dead_letters(self, *, limit: int | None = None, **wanted: Unpack[LetterFilter]) -> Iterator[Task]:
        """Tasks that ended as FAILED or DEAD, the latest first. Filters: type, error_type, since, until."""
        return each(
            lambda size, cursor: self._perform(desk_calls.dead_letters(size, cursor, wanted)),
            lambda page: page.tasks,
            limit,
        )

    def retry(self, task_id: str, attempts: int | None = None) -> Task:
        """Run a dead letter again, now, with new attempts (None: as many as its type has). Raises Conflict for a task
        that is none."""
        return self._perform(desk_calls.retry(task_id, attempts))

    def redrive(self, *, dry_run: bool = False, **options: Unpack[RedriveOptions]) -> Redrive:
        """Run dead letters again, all that fit, or only count them; returns the sums. Options: the filters of
        `dead_letters`, rate, attempts."""
        total = Redrive(0, 0, 0, dry_run)
        for page in self.redrive_pages(dry_run=dry_run, **options):
            total += page
        return total

    def redrive_pages(self, *, dry_run: bool = False, **options: Unpack[RedriveOptions]) -> Iterator[Redrive]:
        """As `redrive`, a request at a time, to show progress or to stop."""
        cursor: str | None = None
        while True:
            page = self._perform(desk_calls.redrive(dry_run, cursor, options))
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    def cancel_many(
        self,
        ids: Iterable[str] | None = None,
        *,
        dry_run: bool = False,
        reason: str | None = None,
        **wanted: Unpack[CancelFilter],
    ) -> Cancelled:
        """Cancel what has not started: by ids, or all that fit type, state and tags. `reason` is kept on each."""
        total = Cancelled(0, (), {}, dry_run)
        for first in desk_calls.cancel_many(ids, dry_run=dry_run, reason=reason, **wanted):
            call = first
            while True:
                page = self._perform(call)
                total += page
                if page.cursor is None:
                    break
                call = desk_calls.next_page(first, page.cursor)
        return total

    def undeliverable(self, limit: int | None = None) -> Iterator[Notification]:
        """Notifications that nobody could be told, newest first."""
        return each(
            lambda size, cursor: self._perform(calls.undeliverable(size, cursor)),
            lambda page: page.notifications,
            limit,
        )

    def types(self) -> BuiltinList[TaskType]:
        """The task types of this deployment, with the fields of their payloads."""
        return self._perform(task_types.types())

    def stats(self) -> Stats:
        return self._perform(calls.stats())

    def health(self) -> Health:
        return self._perform(calls.health())

    def wait(self, task_id: str, timeout: float | None = None) -> Task:
        """Look until the task has settled, at growing pauses of at most 5 s. Raises WaitTimeout after `timeout` s."""
        patience, task = Patience(timeout, self._clock), None
        while True:
            try:
                task = self._perform(calls.get(task_id), patience.left())
            except (Unreachable, Unavailable, Throttled):
                if task is None or not patience.is_over:
                    raise
            if task.settled:
                return task
            pause = patience.pause()
            if pause is None:
                raise WaitTimeout(task, timeout or 0)
            self._sleep(pause)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _perform(self, call: Call[T], within: float | None = None) -> T:
        tries = Tries(self._connection, call, within)
        while True:
            outcome = self._send(call.request, tries.seconds())
            pause = tries.pause(outcome)
            if pause is None:
                return tries.result(outcome)
            self._sleep(pause)

    def _send(self, request: Request, seconds: float) -> Response | Unreachable:
        try:
            response = self._http.send(self._connection.sendable(request, seconds), stream=True)
            try:
                return response_of(response, response.read())
            except httpx.RequestError as error:
                return unread(response, error)
            finally:
                response.close()
        except httpx.TransportError as error:
            return self._connection.no_answer(error)
