"""Requests to receivers somewhere, and only to where they may go.

A name is resolved once, every address that it has is looked at, and the connection is made to one of those very
addresses: a name that resolves differently the next moment leads nowhere else. A redirect is looked at like the first
address. Nothing that is raised here holds more of a URL than its origin.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import urldefrag, urljoin, urlsplit

from taskyard.tasks.http import HttpRequest, HttpResponse, ReceiverFailedError, ReceiverRefusedError, headers_problem
from taskyard.tasks.urls import origin, url_problem

from functions.core.webhooks.addresses import Reach, may_call
from functions.http.exchange import REDIRECTS, Deadline, connected, exchange

ADDRESSES_TRIED = 3
CONNECT_SECONDS = 5.0
"""For one address, of several: behind a firewall nobody answers."""
REASON_LIMIT = 100
"""Characters of an error's own words."""


def resolved(host: str, port: int) -> list[str]:
    """Addresses, IPv4 first: a function outside a VPC has no way out over IPv6. Raises OSError, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(
        dict.fromkeys(str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] is not socket.AF_INET))
    )


@cache
def public_authorities() -> ssl.SSLContext:
    """Verifies certificates by the authorities of the machine. Once a process: reading them takes 20 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Client:
    """`resolve`: host and port → every address. `tls`: what certificates are verified with. `monotonic`: seconds."""

    reach: Reach
    resolve: Callable[[str, int], Sequence[str]] = resolved
    tls: Callable[[], ssl.SSLContext] = public_authorities
    monotonic: Callable[[], float] = time.monotonic

    def send(self, request: HttpRequest, *, seconds: float) -> HttpResponse:
        """The final answer, whatever its status, within `seconds` for everything together, resolving names included.
        Raises ReceiverFailedError, ReceiverRefusedError."""
        if problem := headers_problem({**request.headers, **request.first_origin_headers}):
            raise ReceiverRefusedError(f"header {problem}")
        if seconds <= 0:
            raise ReceiverFailedError("no time left for the request")
        deadline = Deadline(self.monotonic() + seconds, self.monotonic)
        url = request.url
        for _ in range(request.redirects):
            answer = self._once(request, url, deadline)
            target = following(url, answer.status, answer.headers.get("location"))
            if target is None:
                return answer
            url = target
        return self._once(request, url, deadline)

    def _once(self, request: HttpRequest, url: str, deadline: Deadline) -> HttpResponse:
        if problem := url_problem(url):
            raise ReceiverRefusedError(f"the URL {problem}")
        parts = urlsplit(url)
        host, secure = (parts.hostname or "").removesuffix("."), parts.scheme == "https"
        if not secure and self.reach == "public":
            raise ReceiverRefusedError(f"only https is called here, not {origin(url)}")
        port = parts.port or (443 if secure else 80)
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity", **request.headers}
        if origin_of(url) == origin_of(request.url):
            given = {name.lower() for name in request.first_origin_headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in given}
            headers |= request.first_origin_headers
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(host, port, deadline, secure=secure)
        try:
            answer = exchange(connection, deadline, request.method, target, headers, request.body)
            return HttpResponse(url=url, status=answer.status, headers=answer.headers, text=answer.text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReceiverFailedError(f"{origin(url)} did not answer: {reason(error)}") from None
        finally:
            connection.close()

    def _connection(self, host: str, port: int, deadline: Deadline, *, secure: bool) -> socket.socket:
        why = "it resolves to no address"
        for address in self._addresses(host, port, deadline)[:ADDRESSES_TRIED]:
            try:
                tls = self.tls() if secure else None
                return connected(address, port, deadline, seconds=CONNECT_SECONDS, tls=tls, host=host)
            except (OSError, ValueError) as error:
                why = reason(error)
        raise ReceiverFailedError(f"{host} cannot be reached: {why}")

    def _addresses(self, host: str, port: int, deadline: Deadline) -> Sequence[str]:
        """All that the name has. One that may not be called is enough to refuse: which one is used is chance."""
        try:
            found = within(deadline, lambda: self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise ReceiverFailedError(f"{host} cannot be resolved: {reason(error)}") from None
        for address in found:
            if not may_call(address, self.reach):
                raise ReceiverRefusedError(f"{host} leads to {address}, where this deployment calls nobody")
        return found


def within(deadline: Deadline, resolve: Callable[[], Sequence[str]]) -> Sequence[str]:
    """The C library's resolver has no time-out of ours: it is waited for in a thread, which is left to itself when the
    time is up and ends with the resolver's own. Raises TimeoutError, and what `resolve` raises."""
    found: list[Sequence[str]] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(resolve())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name="resolver")
    thread.start()
    thread.join(deadline.remaining())
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError("timed out")
    return found[0]


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host, port: what two URLs share whose receiver is one."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").removesuffix("."),
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def following(url: str, status: int, location: str | None) -> str | None:
    """Where to send the same request instead; None: nowhere, the answer stands. Never to a scheme other than http and
    https, never from https to http."""
    if status not in REDIRECTS or not location:
        return None
    try:
        target = urldefrag(urljoin(url, location)).url
    except ValueError:
        return None
    if url_problem(target) is not None:
        return None
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        return None
    return target


def reason(error: Exception) -> str:
    """Its class and its words, in one line of bounded length."""
    words = (error.strerror if isinstance(error, OSError) else None) or str(error)
    words = " ".join(re.sub(r"[^\x20-\x7e]", " ", words).split())[:REASON_LIMIT]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
