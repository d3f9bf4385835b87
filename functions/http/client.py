"""HTTP requests to receivers outside AWS. Only addresses that the deployment may call are called.

A host name is resolved once. Every address that it has is checked, and the connection is made to one of these
addresses, so a name that resolves differently a moment later changes nothing. The target of a redirect is checked like
the first URL. The errors that are raised here contain only the origin of a URL.
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
from functions.http.exchange import REDIRECT_STATUSES, Deadline, connect, exchange

MAX_ADDRESSES = 3
"""Addresses of one host that a request tries, in order."""
CONNECT_TIMEOUT_SECONDS = 5.0
"""For one address: a firewall may drop packets without an response, and the next address needs time, too."""
ERROR_TEXT_LIMIT = 100
"""Characters of the text of an error that a message contains."""


def resolve_addresses(host: str, port: int) -> list[str]:
    """IPv4 first: a function outside a VPC has no route over IPv6. Raises OSError, UnicodeError."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(
        dict.fromkeys(str(entry[4][0]) for entry in sorted(entries, key=lambda entry: entry[0] is not socket.AF_INET))
    )


@cache
def default_tls_context() -> ssl.SSLContext:
    """Verifies certificates with the certificate authorities of the machine. Cached: reading them takes 20 ms."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Client:
    """`resolve`: host and port → every address. `tls`: the context that verifies certificates. `monotonic`: seconds."""

    reach: Reach
    resolve: Callable[[str, int], Sequence[str]] = resolve_addresses
    tls: Callable[[], ssl.SSLContext] = default_tls_context
    monotonic: Callable[[], float] = time.monotonic

    def send(self, request: HttpRequest, *, seconds: float) -> HttpResponse:
        """The final response, whatever its status. `seconds`: for everything together, including name resolution.
        Raises ReceiverFailedError, ReceiverRefusedError."""
        if problem := headers_problem({**request.headers, **request.first_origin_headers}):
            raise ReceiverRefusedError(f"header {problem}")
        if seconds <= 0:
            raise ReceiverFailedError("no time left for the request")
        deadline = Deadline(self.monotonic() + seconds, self.monotonic)
        url = request.url
        for _ in range(request.redirects):
            response = self._send_once(request, url, deadline)
            next_url = redirect_target(url, response.status, response.headers.get("location"))
            if next_url is None:
                return response
            url = next_url
        return self._send_once(request, url, deadline)

    def _send_once(self, request: HttpRequest, url: str, deadline: Deadline) -> HttpResponse:
        if problem := url_problem(url):
            raise ReceiverRefusedError(f"the URL {problem}")
        parts = urlsplit(url)
        host, secure = (parts.hostname or "").removesuffix("."), parts.scheme == "https"
        if not secure and self.reach == "public":
            raise ReceiverRefusedError(f"only https is called here, not {origin(url)}")
        port = parts.port or (443 if secure else 80)
        headers = {"Host": parts.netloc, "Accept-Encoding": "identity", **request.headers}
        if scheme_host_port(url) == scheme_host_port(request.url):
            replaced_names = {name.lower() for name in request.first_origin_headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in replaced_names}
            headers |= request.first_origin_headers
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connect(host, port, deadline, secure=secure)
        try:
            response = exchange(connection, deadline, request.method, target, headers, request.body)
            return HttpResponse(url=url, status=response.status, headers=response.headers, text=response.text)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ReceiverFailedError(f"{origin(url)} did not answer: {describe_error(error)}") from None
        finally:
            connection.close()

    def _connect(self, host: str, port: int, deadline: Deadline, *, secure: bool) -> socket.socket:
        cause = "it resolves to no address"
        for address in self._permitted_addresses(host, port, deadline)[:MAX_ADDRESSES]:
            try:
                tls = self.tls() if secure else None
                return connect(address, port, deadline, seconds=CONNECT_TIMEOUT_SECONDS, tls=tls, host=host)
            except (OSError, ValueError) as error:
                cause = describe_error(error)
        raise ReceiverFailedError(f"{host} cannot be reached: {cause}")

    def _permitted_addresses(self, host: str, port: int, deadline: Deadline) -> Sequence[str]:
        """All addresses of the host. Raises ReceiverRefusedError when one of them may not be called, whichever would be
        used."""
        try:
            addresses = resolve_within(deadline, lambda: self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise ReceiverFailedError(f"{host} cannot be resolved: {describe_error(error)}") from None
        for address in addresses:
            if not may_call(address, self.reach):
                raise ReceiverRefusedError(f"{host} leads to {address}, where this deployment calls nobody")
        return addresses


def resolve_within(deadline: Deadline, resolve: Callable[[], Sequence[str]]) -> Sequence[str]:
    """The result of `resolve`, before the deadline. Raises TimeoutError, and what `resolve` raises.

    The resolver of the C library accepts no time-out. It runs in a thread; after the deadline the thread goes on until
    the resolver's own time-out, and its result is dropped.
    """
    results: list[Sequence[str]] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(resolve())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True, name="resolver")
    thread.start()
    thread.join(deadline.remaining())
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError("timed out")
    return results[0]


def scheme_host_port(url: str) -> tuple[str, str, int]:
    """Equal for two URLs with the same origin."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").removesuffix("."),
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def redirect_target(url: str, status: int, location: str | None) -> str | None:
    """The URL to send the same request to, or None when the response is the final one. Never a scheme other than http
    and https, never from https to http."""
    if status not in REDIRECT_STATUSES or not location:
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


def describe_error(error: Exception) -> str:
    """Its class and its text, in one line of bounded length."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    text = " ".join(re.sub(r"[^\x20-\x7e]", " ", text).split())[:ERROR_TEXT_LIMIT]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
