"""The synchronous client. Safe to share between threads."""

import functools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx

from taskyard.api.methods import ClientMethods
from taskyard.api.schedules.methods import Schedules
from taskyard.api.workflows.methods import Workflows
from taskyard.errors import TaskyardError, Unreachable
from taskyard.login.default_auth import default_auth
from taskyard.operations.methods import BlockingMethods
from taskyard.operations.paging import Pages
from taskyard.operations.steps import Step, Steps, Transmit
from taskyard.transport.authentication import Auth
from taskyard.transport.call import Response
from taskyard.transport.connection import TIMEOUT_SECONDS, Connection
from taskyard.transport.deadline_transport import DeadlineTransport
from taskyard.transport.httpx_messages import (
    Message,
    proxy_for,
    require_valid_url,
    response_of,
    response_without_body,
    unreachable,
)
from taskyard.transport.retries import Backoff

T = TypeVar("T")


def _now() -> datetime:
    return datetime.now(UTC)


class Taskyard(ClientMethods, BlockingMethods):
    """url: else TASKYARD_URL, else the `.local/endpoint.json` of a local system, in this folder or above.

    auth: a bearer token; a function that returns one, called for each attempt; credentials or a session of botocore or
    boto3; "iam" for the AWS credentials of the environment; or "none". None is TASKYARD_AUTH, else TASKYARD_TOKEN, else
    the client credentials of the environment (TASKYARD_ISSUER, TASKYARD_CLIENT_ID, TASKYARD_CLIENT_SECRET), else what
    `taskyard login` stored for this URL; for a local system its own token. A function may have a method
    `reject(token)`: after a 401 the request is sent once more with the next token.

    tenant: for operators, whose data is read and changed; None is the caller's own.
    timeout: seconds that one request may take, to the last byte of its answer; a call may make several requests. The
    time that a token takes is not counted.
    transport, sleep, draw, now, clock: for tests. `draw` is uniform in [0, 1); `clock` counts seconds.
    """

    def __init__(
        self,
        url: str | None = None,
        auth: Auth | None = None,
        *,
        tenant: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        backoff: Backoff | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
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
        )
        require_valid_url(connection.endpoint)
        if transport is None:
            tls = connection.endpoint.url.startswith("https:")
            transport = DeadlineTransport(tls=tls, proxy=proxy_for(connection.endpoint))
        self._http = httpx.Client(transport=transport, trust_env=False)
        super().__init__(_Performer(connection, self._http, sleep))

    @property
    def workflows(self) -> Workflows:
        """DAGs of tasks: submit, read, wait, cancel, retry, draw."""
        return Workflows(self._performer)

    @property
    def schedules(self) -> Schedules:
        """Tasks that are submitted again and again: create, read, change, pause, resume, run, delete."""
        return Schedules(self._performer)

    @property
    def url(self) -> str:
        return self._performer.connection.endpoint.url

    @property
    def auth(self) -> str:
        """none, iam or bearer."""
        return self._performer.connection.endpoint.auth_kind

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Performer:
    def __init__(self, connection: Connection, http: httpx.Client, sleep: Callable[[float], None]) -> None:
        self.connection = connection
        self._http, self._sleep = http, sleep

    def perform(self, steps: Steps[T]) -> T:
        resume: Callable[[], Step] = functools.partial(next, steps)
        while True:
            try:
                step = resume()
            except StopIteration as end:
                result: T = end.value
                return result
            try:
                resume = functools.partial(steps.send, self._perform_step(step))
            except TaskyardError as error:
                resume = functools.partial(steps.throw, error)

    def iterate(self, pages: Pages[T]) -> Iterator[T]:
        while not pages.exhausted:
            yield from self.perform(pages.read_next())

    def _perform_step(self, step: Step) -> Response | Unreachable | None:
        return self._transmit(step) if isinstance(step, Transmit) else self._sleep(step.seconds)

    def _transmit(self, step: Transmit) -> Response | Unreachable:
        message = Message.of(self.connection, step.request)
        authenticator = self.connection.authenticator
        credentials = authenticator.headers(message.method, message.url, message.headers, message.body)
        answer = self._send(message.httpx_request(credentials, step.seconds))
        if isinstance(answer, Response) and answer.status == 401:
            return replace(answer, has_renewable_credentials=authenticator.renew(credentials))
        return answer

    def _send(self, request: httpx.Request) -> Response | Unreachable:
        try:
            response = self._http.send(request, stream=True)
            try:
                return response_of(response, response.read())
            except httpx.RequestError as error:
                return response_without_body(response, error)
            finally:
                response.close()
        except httpx.TransportError as error:
            return unreachable(self.connection.endpoint, error)
