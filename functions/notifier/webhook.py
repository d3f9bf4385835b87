"""One signed POST to a receiver somewhere, and only to where it may go.

The name is resolved here and the connection is made to the very address that was looked at, so that a name that
resolves differently the next moment leads nowhere else. Redirects are not followed: they would be a way around.
"""

from __future__ import annotations

import math
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import urllib3

from functions.core.reach import Reach, may_call

SECONDS = 15.0
"""For one attempt as a whole; Standard Webhooks advises 15 to 30."""
ADDRESSES_TRIED = 3
SAID = 100
"""Characters of an answer that is not 2xx that go into the error."""


@dataclass(frozen=True)
class Answer:
    """`retry_after`: seconds that the receiver asks to wait."""

    status: int
    said: str
    retry_after: float | None


@dataclass
class NotReached(Exception):
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass
class NotAllowed(Exception):
    """It leads to where this deployment calls nobody."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def resolved(host: str, port: int) -> list[str]:
    """Addresses, IPv4 first: a function outside a VPC has no way out over IPv6. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(
        dict.fromkeys(str(entry[4][0]) for entry in sorted(found, key=lambda entry: entry[0] is not socket.AF_INET))
    )


@dataclass(frozen=True)
class Webhooks:
    """`clock`: epoch ms. `tls`: urllib3's arguments for a connection over TLS, beside those that are always given."""

    reach: Reach
    clock: Callable[[], int]
    resolve: Callable[[str, int], Sequence[str]] = resolved
    tls: Mapping[str, Any] | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises NotReached, NotAllowed."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        secure = parts.scheme == "https"
        if not secure and self.reach != "any":
            raise NotAllowed("only https is called here")
        port = parts.port or (443 if secure else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc, "Content-Type": "application/json", "User-Agent": "Taskyard", **headers}
        ends = time.monotonic() + SECONDS
        why = "it resolves to no address"
        for address in self._addresses(host, port)[:ADDRESSES_TRIED]:
            left = ends - time.monotonic()
            if left <= 0:
                break
            pool = self._pool(address, port, host=host, secure=secure, seconds=left)
            try:
                answer = pool.urlopen(
                    "POST", path, body=body, headers=sent, redirect=False, retries=False, preload_content=False
                )
                # One read, not all of it: a receiver that drips its answer must not hold us.
                said = answer.read1(1024).decode(errors="replace") if not 200 <= answer.status < 300 else ""
                asked = retry_after(answer.headers, now=self.clock() / 1000)
                return Answer(answer.status, " ".join(said.split())[:SAID], asked)
            except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
                why = type(error).__name__
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise NotReached(f"{type(error).__name__}: {reason(error)}") from error
            finally:
                pool.close()
        raise NotReached(f"{host} cannot be reached: {why}")

    def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotReached(f"{host} cannot be resolved: {error}") from error
        for address in found:
            if not may_call(address, self.reach):
                raise NotAllowed(f"{host} leads to {address}, where this deployment calls nobody")
        return found

    def _pool(self, address: str, port: int, *, host: str, secure: bool, seconds: float) -> urllib3.HTTPConnectionPool:
        timeout = urllib3.Timeout(total=seconds, connect=min(5.0, seconds))
        if not secure:
            return urllib3.HTTPConnectionPool(address, port, timeout=timeout)
        # The certificate has to be the name's, whatever address it was found at.
        return urllib3.HTTPSConnectionPool(
            address,
            port,
            timeout=timeout,
            server_hostname=host,
            assert_hostname=host,
            cert_reqs="CERT_REQUIRED",
            **(self.tls or {}),
        )


def reason(error: Exception) -> str:
    """Of urllib3's errors the words alone: they hold the object, and the path, which may be a secret."""
    inner = getattr(error, "reason", None) or error.__cause__ or error
    return re.sub(r"^<[^>]*>: ", "", str(inner)).partition(" (Caused by")[0][:SAID]


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds, from a Retry-After in seconds or as an HTTP date. None: not said, or not readable."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, math.ceil((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now))
