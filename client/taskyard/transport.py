"""The way of a request over the network, for the synchronous client: as httpx's own, with an end.

The time-outs of httpx begin anew with every byte that comes: a server that sends one now and then holds a caller for
ever. Here each connect, read and write gets what is left of the request's time, and no more.
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

from taskyard.connection import DEADLINE

WRITE_BYTES = 65_536
"""Written at a time: each piece gets what time is left."""


class DeadlineTransport(httpx.BaseTransport):
    """proxy: its URL. Safe to share between threads: the request that a thread makes is over before its next one."""

    def __init__(self, *, tls: bool, proxy: str | None = None) -> None:
        self._of_thread = threading.local()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context() if tls or proxy else None,
            proxy=_proxy(proxy),
            network_backend=_Backend(self._left),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        seconds = request.extensions.get(DEADLINE)
        self._of_thread.end = None if seconds is None else time.monotonic() + seconds
        url = request.url
        with _as_httpx(request):
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

    def _left(self) -> float | None:
        end = getattr(self._of_thread, "end", None)
        return None if end is None else end - time.monotonic()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer, self._request = answer, request

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx(self._request):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


Left = Callable[[], float | None]


class _Backend(httpcore.NetworkBackend):
    def __init__(self, left: Left) -> None:
        self._left, self._inner = left, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """One address after the other, together no longer than one."""
        began = time.monotonic()
        try:
            addresses = dict.fromkeys(
                str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            rest = None if timeout is None else timeout - (time.monotonic() - began)
            try:
                allowed = _allowed(rest, self._left(), httpcore.ConnectTimeout)
                stream = self._inner.connect_tcp(address, port, allowed, local_address, socket_options)
                return _Stream(stream, self._left)
            except httpcore.ConnectError as error:
                failed = error
        raise failed

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, left: Left) -> None:
        self._inner, self._left = inner, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _allowed(timeout, self._left(), httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            allowed = _allowed(timeout, self._left(), httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + WRITE_BYTES], allowed)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        allowed = _allowed(timeout, self._left(), httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, allowed), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _allowed(timeout: float | None, left: float | None, late: type[Exception]) -> float | None:
    given = [seconds for seconds in (timeout, left) if seconds is not None]
    if given and min(given) <= 0:
        raise late("its time is over")
    return min(given, default=None)


@functools.cache
def _names() -> dict[type[Exception], type[httpx.TransportError]]:
    """httpcore's exceptions have the names of httpx's."""
    found = {}
    for name, kind in vars(httpcore).items():
        ours = getattr(httpx, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception) and isinstance(ours, type):
            found[kind] = ours
    return found


@contextlib.contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except tuple(_names()) as error:
        raise _names()[type(error)](str(error), request=request) from error


def _proxy(url: str | None) -> httpcore.Proxy | None:
    if url is None:
        return None
    proxy = httpx.Proxy(url)
    address = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    return httpcore.Proxy(address, auth=proxy.raw_auth, headers=proxy.headers.raw)
