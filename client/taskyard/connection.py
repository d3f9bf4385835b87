"""What the two clients share around a call: where it goes, how it is signed, whether it is tried again. No I/O."""

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx

from taskyard.calls import Call, Request, Response
from taskyard.endpoint import Endpoint, find_endpoint
from taskyard.errors import Cause, InvalidEndpoint, Unreachable
from taskyard.retrying import Backoff, pause_before_retry, retry_after_seconds
from taskyard.signing import Signer, signer_for

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 35.0
"""An answer is at most the API's own 30 s away."""
CONNECT_SECONDS: Final = 5.0
USER_AGENT = "taskyard-python"
DEADLINE: Final = "taskyard.deadline_seconds"
"""The extension of an httpx request that says how long it may take in all."""

# What no second try mends: the request or the URL itself is wrong.
HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Connection:
    """timeout: seconds that one request may take, from connecting to the last byte of its answer."""

    endpoint: Endpoint
    signer: Signer
    backoff: Backoff
    draw: Callable[[], float]
    now: Callable[[], datetime]
    clock: Callable[[], float]
    timeout: float = TIMEOUT_SECONDS

    @classmethod
    def open(
        cls,
        url: str | None,
        auth: str | None,
        backoff: Backoff | None,
        draw: Callable[[], float],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        timeout: float,
    ) -> "Connection":
        if not timeout > 0:
            raise ValueError(f"a timeout is more than 0 seconds, not {timeout!r}")
        endpoint = find_endpoint(url, auth, os.environ, Path.cwd())
        try:
            httpx.URL(endpoint.url)
        except httpx.InvalidURL as error:
            raise InvalidEndpoint(f"{endpoint.url!r} ({endpoint.found_in}) is no URL: {error}") from error
        return cls(endpoint, signer_for(endpoint.auth), backoff or Backoff(), draw, now, clock, timeout)

    @property
    def proxy(self) -> str | None:
        """Of HTTPS_PROXY, NO_PROXY and the like. None for this machine, whose loopback no proxy can reach."""
        if self.endpoint.is_loopback or proxy_bypass(self.endpoint.host):
            return None
        proxies = getproxies()
        found = proxies.get(httpx.URL(self.endpoint.url).scheme) or proxies.get("all")
        return found if not found or "://" in found else f"http://{found}"

    def sendable(self, request: Request, seconds: float) -> httpx.Request:
        """The request as it goes out, signed as of now: made anew for each try, which may take so many seconds."""
        url = self.endpoint.url + request.path
        headers = {"accept": "application/json", "user-agent": USER_AGENT, **request.headers}
        headers.update(self.signer(request.method, url, headers, request.body))
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        extensions = {"timeout": timeout.as_dict(), DEADLINE: seconds}
        return httpx.Request(request.method, url, headers=headers, content=request.body or None, extensions=extensions)

    def no_answer(self, error: httpx.TransportError) -> Unreachable:
        no_answer = Unreachable(self.endpoint.url, str(error) or type(error).__name__, cause_of(error))
        if isinstance(error, HOPELESS):
            raise no_answer from error
        return no_answer

    def too_late(self, seconds: float) -> Unreachable:
        return Unreachable(self.endpoint.url, f"not whole within {seconds:g} s", Cause.TIMEOUT)


def response_of(response: httpx.Response, body: bytes, unreadable: str | None = None) -> Response:
    return Response(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        body,
        None if unreadable is None else f"a body that can't be read: {unreadable}",
    )


def unread(response: httpx.Response, error: httpx.RequestError) -> Response:
    """Of a body that did not come whole, or is not what its headers say of it: the status stands. Raises the error
    where a second try of a success may bring the body."""
    if response.status_code < 400 and isinstance(error, httpx.TransportError):
        raise error
    return response_of(response, b"", str(error) or type(error).__name__)


@dataclass(slots=True)
class Tries(Generic[T]):
    """The tries of one call. within: seconds that all of them may take; None is without end."""

    connection: Connection
    call: Call[T]
    within: float | None = None
    made: int = 0
    uncertain: bool = False
    """A try whose answer did not come, or says nothing of whether it was carried out."""
    end: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.within is not None:
            self.end = self.connection.clock() + self.within

    def seconds(self) -> float:
        """That the next try may take."""
        if self.end is None:
            return self.connection.timeout
        return max(0.001, min(self.connection.timeout, self.end - self.connection.clock()))

    def pause(self, outcome: Response | Unreachable) -> float | None:
        """Seconds until the next try; None when this outcome is the last word."""
        self.made += 1
        status, wait = None, None
        if isinstance(outcome, Response):
            status = outcome.status
            wait = retry_after_seconds(outcome.headers.get("retry-after"), self.connection.now())
        pause = pause_before_retry(self.connection.backoff, self.made, status, wait, self.connection.draw())
        if pause is None or (self.end is not None and self.connection.clock() + pause >= self.end):
            return None
        self.uncertain |= status != 429
        return pause

    def result(self, outcome: Response | Unreachable) -> T:
        if isinstance(outcome, Unreachable):
            raise outcome
        return self.call.result(outcome, repeated=self.uncertain)


def cause_of(error: BaseException) -> Cause:
    for each in chain(error):
        if isinstance(each, socket.gaierror):
            return Cause.NAME
        if isinstance(each, ssl.SSLError):
            return Cause.TLS
        if isinstance(each, httpx.ProxyError):
            return Cause.PROXY
        if isinstance(each, ConnectionRefusedError):
            return Cause.REFUSED
    if isinstance(error, httpx.TimeoutException):
        return Cause.TIMEOUT
    return Cause.PROTOCOL if isinstance(error, httpx.ProtocolError) else Cause.OTHER


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that it came from."""
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException):
            yield each
            waiting += [each.__cause__ or each.__context__, *getattr(each, "exceptions", ())]
