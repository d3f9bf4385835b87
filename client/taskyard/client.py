"""The synchronous client: `taskyard.calls` sent one after the other. Safe to share between threads."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from taskyard import calls
from taskyard.calls import PAGE_LIMIT, UNSET, Call, Request, Response
from taskyard.connection import TIMEOUT, Connection
from taskyard.errors import Unreachable, WaitTimeout
from taskyard.model import Health, Page, Retry, Stats, Task
from taskyard.retrying import Backoff, polling_pauses

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class Taskyard:
    """url: else TASKYARD_URL, else the local system's `.local/endpoint.json` in this folder or above.
    auth: None (else TASKYARD_TOKEN, else the local system's own token), "none", "iam", or a bearer token.
    transport, sleep, draw, now, clock: for tests. `draw` is uniform in [0, 1); `clock` counts seconds.
    """

    def __init__(
        self,
        url: str | None = None,
        auth: str | None = None,
        *,
        backoff: Backoff | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        draw: Callable[[], float] = random.random,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = Connection.open(url, auth, backoff or Backoff(), draw, now)
        self._http = httpx.Client(timeout=TIMEOUT, transport=transport, trust_env=self._connection.trust_env)
        self._sleep, self._now, self._clock = sleep, now, clock

    @property
    def url(self) -> str:
        return self._connection.endpoint.url

    def submit(
        self,
        type: str,
        payload: Any = None,
        *,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        priority: int | str | None = None,
        max_retries: int | None = None,
        retry: Retry | Mapping[str, Any] | None = None,
        timeout: float | timedelta | None = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        dependencies: Sequence[str] | None = None,
    ) -> Task:
        """Submit a task. Tried again after a lost answer it stays one task: each submit has a key, yours or a new one.

        run_at: aware datetime, or delay: seconds or timedelta. priority: 0–9, higher first, or high, normal, low.
        timeout: of one attempt. Raises InvalidRequest with the fields at fault.
        """
        return self._perform(
            calls.submit(
                type,
                payload,
                run_at=run_at,
                delay=delay,
                priority=priority,
                max_retries=max_retries,
                retry=retry,
                timeout=timeout,
                idempotency_key=idempotency_key,
                tags=tags,
                dependencies=dependencies,
            )
        )

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
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            page = self.page(state, type, None if left is None else min(left, PAGE_LIMIT), cursor)
            yield from page.tasks[:left]
            left = None if left is None else left - len(page.tasks)
            cursor = page.cursor
            if cursor is None:
                return

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

    def stats(self) -> Stats:
        return self._perform(calls.stats())

    def health(self) -> Health:
        return self._perform(calls.health())

    def wait(self, task_id: str, timeout: float | None = None) -> Task:
        """Look until the task has settled, at growing pauses of at most 5 s. Raises WaitTimeout after `timeout` s."""
        end = None if timeout is None else self._clock() + timeout
        for pause in polling_pauses():
            task = self.get(task_id)
            if task.settled:
                return task
            left = None if end is None else end - self._clock()
            if left is not None and left <= 0:
                raise WaitTimeout(task, timeout or 0)
            self._sleep(pause if left is None else min(pause, left))
        raise AssertionError("the pauses have no end")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _perform(self, call: Call[T]) -> T:
        tried = 0
        while True:
            outcome = self._send(call.request)
            tried += 1
            pause = self._connection.pause(outcome, tried)
            if pause is None:
                if isinstance(outcome, Unreachable):
                    raise outcome
                return call.result(outcome)
            self._sleep(pause)

    def _send(self, request: Request) -> Response | Unreachable:
        try:
            return self._connection.answer(self._http.send(self._connection.sendable(request)))
        except httpx.TransportError as error:
            return self._connection.no_answer(error)
