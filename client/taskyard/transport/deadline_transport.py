"""An httpx transport with a deadline for the whole request, for the synchronous client.

The time-outs of httpx start again with every byte that arrives: a server that sends a byte now and then could hold a
caller for ever. Here each connect, read and write gets the time that is left of the request, and no more.
"""

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import httpx

from taskyard.transport.httpx_messages import DEADLINE

WRITE_BYTES = 65_536
"""Size of one write: each write gets the time that is left."""


class DeadlineTransport(httpx.BaseTransport):
    """proxy: its URL. Safe to share between threads: a thread makes one request at a time."""

    def __init__(self, *, tls: bool, proxy: str | None = None) -> None:
        self._of_thread = threading.local()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context() if tls or proxy else None,
            proxy=_proxy(proxy),
            network_backend=_Backend(self._seconds_left),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        seconds = request.extensions.get(DEADLINE)
        self._of_thread.end = None if seconds is None else time.monotonic() + seconds
        url = request.url
        with _errors_of_httpx(request):
            answer = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        body = _Body(answer, request)
        return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)

    def close(self) -> None:
        self._pool.close()

    def _seconds_left(self) -> float | None:
        end = getattr(self._of_thread, "end", None)
        return None if end is None else end - time.monotonic()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    def __iter__(self) -> Iterator[bytes]:
        with _errors_of_httpx(self._request):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


SecondsLeft = Callable[[], float | None]


class _Backend(httpcore.NetworkBackend):
    def __init__(self, seconds_left: SecondsLeft) -> None:
        self._seconds_left, self._inner = seconds_left, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Tries the addresses of the host in order, within the time of one connect."""
        start = time.monotonic()
        try:
            addresses = dict.fromkeys(
                str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        last_error: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            rest = None if timeout is None else timeout - (time.monotonic() - start)
            try:
                seconds = _shortest(rest, self._seconds_left(), httpcore.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, seconds, local_address, socket_options)
                return _Stream(stream, self._seconds_left)
            except httpcore.ConnectError as error:
                last_error = error
        raise last_error

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, seconds_left: SecondsLeft) -> None:
        self._inner, self._seconds_left = inner, seconds_left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _shortest(timeout, self._seconds_left(), httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            seconds = _shortest(timeout, self._seconds_left(), httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + WRITE_BYTES], seconds)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = _shortest(timeout, self._seconds_left(), httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, seconds), self._seconds_left)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _shortest(timeout: float | None, seconds_left: float | None, timeout_error: type[Exception]) -> float | None:
    limits = [seconds for seconds in (timeout, seconds_left) if seconds is not None]
    if limits and min(limits) <= 0:
        raise timeout_error("the time of the request is over")
    return min(limits, default=None)


@functools.cache
def _httpx_errors() -> dict[type[Exception], type[httpx.TransportError]]:
    """The exceptions of httpcore and of httpx have the same names."""
    errors = {}
    for name, kind in vars(httpcore).items():
        httpx_kind = getattr(httpx, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception) and isinstance(httpx_kind, type):
            errors[kind] = httpx_kind
    return errors


@contextlib.contextmanager
def _errors_of_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except tuple(_httpx_errors()) as error:
        raise _httpx_errors()[type(error)](str(error), request=request) from error


def _proxy(url: str | None) -> httpcore.Proxy | None:
    if url is None:
        return None
    proxy = httpx.Proxy(url)
    address = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore.Proxy(address, auth=proxy.raw_auth, headers=proxy.headers.raw)
