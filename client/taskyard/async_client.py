"""The asynchronous client: the same methods, awaited. One event loop per client."""

import asyncio
import functools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx

from taskyard.api.methods import ClientMethods
from taskyard.api.schedules.methods import AsyncSchedules
from taskyard.api.workflows.methods import AsyncWorkflows
from taskyard.errors import TaskyardError, Unreachable
from taskyard.login.default_auth import default_auth
from taskyard.operations.methods import AsyncMethods
from taskyard.operations.paging import Pages
from taskyard.operations.steps import Step, Steps, Transmit
from taskyard.transport.authentication import AsyncAuth
from taskyard.transport.call import Response
from taskyard.transport.connection import TIMEOUT_SECONDS, Connection
from taskyard.transport.httpx_messages import (
    Message,
    proxy_for,
    require_valid_url,
    response_of,
    response_without_body,
    timed_out,
    unreachable,
)
from taskyard.transport.retries import Backoff

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class AsyncTaskyard(ClientMethods, AsyncMethods):
    """`Taskyard` with `await`: the same arguments, methods, answers and errors. A function given as `auth` may be
    asynchronous."""

    def __init__(
        self,
        url: str | None = None,
        auth: AsyncAuth | None = None,
        *,
        tenant: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        backoff: Backoff | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
        now: Callable[[], datetime] = _now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        connection = Connection.open(
            url,
            auth,
            backoff,
            draw,
            now,
            clock,
            timeout,
            tenant=tenant,
            default_auth=default_auth,
            is_async=True,
        )
        require_valid_url(connection.endpoint)
        proxy = proxy_for(connection.endpoint) if transport is None else None
        self._http = httpx.AsyncClient(transport=transport, proxy=proxy, trust_env=False)
        super().__init__(_Performer(connection, self._http, sleep))

    @property
    def workflows(self) -> AsyncWorkflows:
        """DAGs of tasks: submit, read, wait, cancel, retry, draw."""
        return AsyncWorkflows(self._performer)

    @property
    def schedules(self) -> AsyncSchedules:
        """Tasks that are submitted again and again: create, read, change, pause, resume, run, delete."""
        return AsyncSchedules(self._performer)

    @property
    def url(self) -> str:
        return self._performer.connection.endpoint.url

    @property
    def auth(self) -> str:
        """none, iam or bearer."""
        return self._performer.connection.endpoint.auth_kind

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Performer:
    def __init__(
        self, connection: Connection, http: httpx.AsyncClient, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self.connection = connection
        self._http, self._sleep = http, sleep

    async def perform(self, steps: Steps[T]) -> T:
        resume: Callable[[], Step] = functools.partial(next, steps)
        while True:
            try:
                step = resume()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                resume = functools.partial(steps.send, await self._perform_step(step))
            except TaskyardError as error:
                resume = functools.partial(steps.throw, error)

    async def iterate(self, pages: Pages[T]) -> AsyncIterator[T]:
        while not pages.exhausted:
            for item in await self.perform(pages.read_next()):
                yield item

    async def _perform_step(self, step: Step) -> Response | Unreachable | None:
        return await (self._transmit(step) if isinstance(step, Transmit) else self._sleep(step.seconds))

    async def _transmit(self, step: Transmit) -> Response | Unreachable:
        message = Message.of(self.connection, step.request)
        authenticator = self.connection.authenticator
        try:
            async with asyncio.timeout(step.seconds) as timer:
                credentials = await authenticator.async_headers(
                    message.method, message.url, message.headers, message.body
                )
                answer = await self._send(message.httpx_request(credentials, step.seconds))
        except TimeoutError:
            if not timer.expired():  # one of the token provider's own
                raise
            return timed_out(self.connection.endpoint, step.seconds)
        if isinstance(answer, Response) and answer.status == 401:
            return replace(answer, has_renewable_credentials=await authenticator.async_renew(credentials))
        return answer

    async def _send(self, request: httpx.Request) -> Response | Unreachable:
        try:
            response = await self._http.send(request, stream=True)
            try:
                return response_of(response, await response.aread())
            except httpx.RequestError as error:
                return response_without_body(response, error)
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            return unreachable(self.connection.endpoint, error)
