"""Converts requests to those of httpx, and responses and errors of httpx to those of this package."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import httpx

from taskyard.errors import Cause, InvalidEndpoint, Unreachable
from taskyard.transport.call import Request, Response
from taskyard.transport.connection import Connection
from taskyard.transport.endpoint import Endpoint

CONNECT_SECONDS: Final = 5.0
USER_AGENT: Final = "taskyard-python"
DEADLINE: Final = "taskyard.deadline_seconds"
"""The extension of an httpx request with the seconds that the whole request may take."""

# A second attempt cannot help: the request or the URL itself is wrong.
PERMANENT_ERRORS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def require_valid_url(endpoint: Endpoint) -> None:
    """Raises InvalidEndpoint for a URL that httpx refuses."""
    try:
        httpx.URL(endpoint.url)
    except httpx.InvalidURL as error:
        raise InvalidEndpoint(f"{endpoint.url!r} ({endpoint.source}) is not a URL: {error}") from error


def proxy_for(endpoint: Endpoint) -> str | None:
    """The URL of the proxy by HTTPS_PROXY, NO_PROXY and so on. None for the loopback, which a proxy cannot reach."""
    if endpoint.is_loopback or proxy_bypass(endpoint.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(httpx.URL(endpoint.url).scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it is sent, but for the headers that authenticate it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, connection: Connection, request: Request) -> "Message":
        headers = {"accept": "application/json", "user-agent": USER_AGENT, **connection.headers, **request.headers}
        return cls(request.method, connection.endpoint.url + request.path, headers, request.body)

    def httpx_request(self, credentials: Mapping[str, str], seconds: float) -> httpx.Request:
        """The request of one attempt. credentials: the headers of the authenticator. seconds: the time that the attempt
        may take."""
        timeout = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))
        extensions = {"timeout": timeout.as_dict(), DEADLINE: seconds}
        headers = {**self.headers, **credentials}
        return httpx.Request(self.method, self.url, headers=headers, content=self.body or None, extensions=extensions)


def response_of(response: httpx.Response, body: bytes, unreadable: str | None = None) -> Response:
    return Response(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        body,
        None if unreadable is None else f"the body cannot be read: {unreadable}",
    )


def response_without_body(response: httpx.Response, error: httpx.RequestError) -> Response:
    """The response when its body is incomplete, or does not match its headers: the status is valid. Raises the error of
    the network where a second attempt of a success may bring the body."""
    if response.status_code < 400 and isinstance(error, httpx.TransportError):
        raise error
    return response_of(response, b"", str(error) or type(error).__name__)


def unreachable(endpoint: Endpoint, error: httpx.TransportError) -> Unreachable:
    """The error of one attempt. Raises it when another attempt cannot help."""
    converted = Unreachable(endpoint.url, str(error) or type(error).__name__, cause_of(error))
    if isinstance(error, PERMANENT_ERRORS):
        raise converted from error
    return converted


def timed_out(endpoint: Endpoint, seconds: float) -> Unreachable:
    return Unreachable(endpoint.url, f"no complete answer within {seconds:g} s", Cause.TIMEOUT)


def cause_of(error: BaseException) -> Cause:
    for cause in _error_chain(error):
        if isinstance(cause, socket.gaierror):
            return Cause.NAME
        if isinstance(cause, ssl.SSLError):
            return Cause.TLS
        if isinstance(cause, httpx.ProxyError):
            return Cause.PROXY
        if isinstance(cause, ConnectionRefusedError):
            return Cause.REFUSED
    if isinstance(error, httpx.TimeoutException):
        return Cause.TIMEOUT
    return Cause.PROTOCOL if isinstance(error, httpx.ProtocolError) else Cause.OTHER


def _error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its causes, and the members of groups."""
    pending: list[Any] = [error]
    while pending:
        next_error = pending.pop()
        if isinstance(next_error, BaseException):
            yield next_error
            pending += [next_error.__cause__ or next_error.__context__, *getattr(next_error, "exceptions", ())]
