"""The asynchronous client: the same calls, awaited. One event loop per client."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from taskyard import calls, task_types
from taskyard import dead_letter_calls as desk_calls
from taskyard.calls import UNSET, Call, Request, Response
from taskyard.connection import TIMEOUT_SECONDS, Connection, Tries, response_of, unread
from taskyard.errors import ProblemError, Throttled, Unavailable, UnexpectedAnswer, Unreachable, WaitTimeout
from taskyard.following import Patience, each_awaited
from taskyard.model import Cancelled, Health, Outcome, Page, Redrive, Stats, Task, TaskSpec
from taskyard.notify import Notification
from taskyard.options import CancelFilter, LetterFilter, RedriveOptions, TaskOptions
from taskyard.retrying import Backoff
from taskyard.schedules import AsyncSchedules
from taskyard.task_types import TaskType
from taskyard.workflows import AsyncWorkflows

T = TypeVar("T")
# Inside the class `list` is the method.
BuiltinList = list


def _now() -> datetime:
    return datetime.now(UTC)


class AsyncTaskyard:
    """`Taskyard` with `await`: the same arguments, methods, answers and errors."""

    def __init__(
        self,
        url: str | None = None,
        auth: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = Connection.open(url, auth, backoff, draw, now, clock, timeout)
        proxy = self._connection.proxy if transport is None else None
        self._http = httpx.AsyncClient(transport=transport, proxy=proxy, trust_env=False)
        self._sleep, self._now, self._clock = sleep, now, clock

    @property
    def workflows(self) -> AsyncWorkflows:
        """DAGs of tasks: submit, look, wait, cancel, retry, draw."""
        return AsyncWorkflows(self._perform, self._sleep, self._clock)

    @property
    def schedules(self) -> AsyncSchedules:
        return AsyncSchedules(self._perform)

    @property
    def url(self) -> str:
        return self._connection.endpoint.url

    @property
    def auth(self) -> str:
        """none, iam or bearer."""
        return self._connection.endpoint.auth_kind

    async def submit(
        self, type: str, payload: Any = None, *, idempotency_key: str | None = None, **options: Unpack[TaskOptions]
    ) -> Task:
        """Submit a task. Tried again after a lost answer it stays one task: each submit has a key, yours or a new one.

        Options: run_at or delay, priority, max_retries, retry, timeout, tags, dependencies, notify.
        Raises InvalidRequest with the fields at fault.
        """
        return await self._perform(calls.submit(type, payload, idempotency_key=idempotency_key, **options))

    async def submit_body(self, body: bytes, idempotency_key: str | None = None) -> Task:
        """Submit a JSON body as it is, under whatever names its fields have."""
        return await self._perform(calls.submit_body(body, idempotency_key))

    async def get(self, task_id: str) -> Task:
        return await self._perform(calls.get(task_id))

    async def page(
        self,
        state: str | None = None,
        type: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """One page of a listing, newest first."""
        return await self._perform(calls.page(state, type, limit, cursor))

    def list(self, state: str | None = None, type: str | None = None, limit: int | None = None) -> AsyncIterator[Task]:
        """Newest first, at most `limit` in all; pages are fetched as the iterator reaches them."""
        return each_awaited(lambda size, cursor: self.page(state, type, size, cursor), lambda page: page.tasks, limit)

    async def cancel(self, task_id: str) -> None:
        """Cancel a task that has not started; again is fine. Raises Conflict when it has started or settled."""
        await self._perform(calls.cancel(task_id))

    async def reschedule(
        self, task_id: str, run_at: datetime | None = None, *, delay: float | timedelta | None = None
    ) -> Task:
        """Move a task that has not started to another time. Raises Conflict when it has."""
        return await self._perform(calls.reschedule(task_id, run_at, delay, self._now()))

    async def update(
        self,
        task_id: str,
        *,
        priority: int | str | None = None,
        payload: Any = UNSET,
        run_at: datetime | None = None,
    ) -> Task:
        """Change a task that has not started. Raises Conflict when it has."""
        return await self._perform(calls.update(task_id, priority=priority, payload=payload, run_at=run_at))

    async def submit_batch(self, tasks: Iterable[Mapping[str, Any] | TaskSpec]) -> BuiltinList[Outcome]:
        """Submit many: a TaskSpec each, or a body as POST /tasks takes it. Returns what became of each, in order: one
        that is refused stops no other. A request that fails whole is the outcome of each of its tasks, which may have
        been accepted: `outcome.sent` submitted again is the same task.
        """
        outcomes: BuiltinList[Outcome] = []
        for batch in desk_calls.batches(tasks):
            try:
                done = await self._perform(batch.call)
            except (ProblemError, Unreachable, UnexpectedAnswer) as error:
                done = batch.failed(error)
            outcomes += done
        return outcomes

    def dead_letters(self, *, limit: int | None = None, **wanted: Unpack[LetterFilter]) -> AsyncIterator[Task]:
        """Tasks that ended as FAILED or DEAD, the latest first. Filters: type, error_type, since, until."""
        return each_awaited(
            lambda size, cursor: self._perform(desk_calls.dead_letters(size, cursor, wanted)),
            lambda page: page.tasks,
            limit,
        )

    async def retry(self, task_id: str, attempts: int | None = None) -> Task:
        """Run a dead letter again, now, with new attempts (None: as many as its type has). Raises Conflict for a task
        that is none."""
        return await self._perform(desk_calls.retry(task_id, attempts))

    async def redrive(self, *, dry_run: bool = False, **options: Unpack[RedriveOptions]) -> Redrive:
        """Run dead letters again, all that fit, or only count them; returns the sums. Options: the filters of
        `dead_letters`, rate, attempts."""
        total = Redrive(0, 0, 0, dry_run)
        async for page in self.redrive_pages(dry_run=dry_run, **options):
            total += page
        return total

    async def redrive_pages(
        self, *, dry_run: bool = False, **options: Unpack[RedriveOptions]
    ) -> AsyncIterator[Redrive]:
        """As `redrive`, a request at a time, to show progress or to stop."""
        cursor: str | None = None
        while True:
            page = await self._perform(desk_calls.redrive(dry_run, cursor, options))
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    async def cancel_many(
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
                page = await self._perform(call)
                total += page
                if page.cursor is None:
                    break
                call = desk_calls.next_page(first, page.cursor)
        return total

    def undeliverable(self, limit: int | None = None) -> AsyncIterator[Notification]:
        """Notifications that nobody could be told, newest first."""
        return each_awaited(
            lambda size, cursor: self._perform(calls.undeliverable(size, cursor)),
            lambda page: page.notifications,
            limit,
        )

    async def types(self) -> BuiltinList[TaskType]:
        """The task types of this deployment, with the fields of their payloads."""
        return await self._perform(task_types.types())

    async def stats(self) -> Stats:
        return await self._perform(calls.stats())

    async def health(self) -> Health:
        return await self._perform(calls.health())

    async def wait(self, task_id: str, timeout: float | None = None) -> Task:
        """Look until the task has settled, at growing pauses of at most 5 s. Raises WaitTimeout after `timeout` s."""
        patience, task = Patience(timeout, self._clock), None
        while True:
            try:
                task = await self._perform(calls.get(task_id), patience.left())
            except (Unreachable, Unavailable, Throttled):
                if task is None or not patience.is_over:
                    raise
            if task.settled:
                return task
            pause = patience.pause()
            if pause is None:
                raise WaitTimeout(task, timeout or 0)
            await self._sleep(pause)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _perform(self, call: Call[T], within: float | None = None) -> T:
        tries = Tries(self._connection, call, within)
        while True:
            outcome = await self._send(call.request, tries.seconds())
            pause = tries.pause(outcome)
            if pause is None:
                return tries.result(outcome)
            await self._sleep(pause)

    async def _send(self, request: Request, seconds: float) -> Response | Unreachable:
        try:
            async with asyncio.timeout(seconds):
                # Signing may read credentials over the network (a role's), so it stays out of the event loop.
                sendable = await asyncio.to_thread(self._connection.sendable, request, seconds)
                response = await self._http.send(sendable, stream=True)
                try:
                    return response_of(response, await response.aread())
                except httpx.RequestError as error:
                    return unread(response, error)
                finally:
                    await response.aclose()
        except httpx.TransportError as error:
            return self._connection.no_answer(error)
        except TimeoutError:
            return self._connection.too_late(seconds)
