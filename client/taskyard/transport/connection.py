"""Where and how both clients send requests: endpoint, credentials, tenant, time-out, retries. No HTTP library."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from taskyard.errors import Unreachable
from taskyard.transport.authentication import AsyncAuth, Authenticator, authenticator_for
from taskyard.transport.call import Response
from taskyard.transport.endpoint import Endpoint, find_endpoint
from taskyard.transport.retries import Backoff, pause_before_retry, retry_after_seconds

TENANT_HEADER: Final = "x-taskyard-tenant"
_TENANT: Final = re.compile(r"[\x21-\x7e]{1,128}")

TIMEOUT_SECONDS: Final = 35.0
"""Of one request. API Gateway ends a request after 30 s."""


@dataclass(frozen=True, slots=True)
class Connection:
    """timeout: seconds that one request may take, from connecting to the last byte of its answer. draw: uniform in
    [0, 1). now: the time of day. clock: monotonic seconds. tenant: whose data an operator reads and changes; None is
    the caller's own."""

    endpoint: Endpoint
    authenticator: Authenticator
    backoff: Backoff
    draw: Callable[[], float]
    now: Callable[[], datetime]
    clock: Callable[[], float]
    timeout: float = TIMEOUT_SECONDS
    tenant: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Of each request."""
        return {} if self.tenant is None else {TENANT_HEADER: self.tenant}

    @classmethod
    def open(
        cls,
        url: str | None,
        auth: AsyncAuth | None,
        backoff: Backoff | None,
        draw: Callable[[], float],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        timeout: float,
        *,
        tenant: str | None = None,
        default_auth: Callable[[str], AsyncAuth | None] = lambda url: None,
        is_async: bool = False,
    ) -> "Connection":
        """default_auth: the credentials for a URL, where none are given. is_async: whether `auth` may be asynchronous.
        Raises ValueError, TypeError, NoEndpoint."""
        if not timeout > 0:
            raise ValueError(f"a timeout is more than 0 seconds, not {timeout!r}")
        if tenant is not None and not _TENANT.fullmatch(tenant):
            raise ValueError(f"a tenant's name is 1 to 128 printable ASCII characters without spaces, not {tenant!r}")
        endpoint = find_endpoint(url, auth, os.environ, Path.cwd(), default_auth)
        authenticator = authenticator_for(endpoint.auth, is_async=is_async)
        return cls(endpoint, authenticator, backoff or Backoff(), draw, now, clock, timeout, tenant)


class RequestRetries:
    """Counts the attempts of one request and decides about the next one. within: seconds that all attempts together may
    take; None is without end."""

    def __init__(self, connection: Connection, within: float | None = None) -> None:
        self._connection = connection
        self._attempts = 0
        self._renewed_credentials = False
        self._end = None if within is None else connection.clock() + within
        self.may_have_been_carried_out = False
        """An attempt got no answer, or one that does not say whether the server carried out the request."""

    def seconds_left(self) -> float:
        """The time that the next attempt may take."""
        if self._end is None:
            return self._connection.timeout
        return max(0.001, min(self._connection.timeout, self._end - self._connection.clock()))

    def next_pause(self, outcome: Response | Unreachable) -> float | None:
        """Seconds until the next attempt; None when `outcome` is final."""
        if isinstance(outcome, Response) and outcome.status == 401:
            return self._pause_after_401(outcome)
        self._attempts += 1
        status, retry_after = None, None
        if isinstance(outcome, Response):
            status = outcome.status
            retry_after = retry_after_seconds(outcome.headers.get("retry-after"), self._connection.now())
        draw = self._connection.draw()
        pause = pause_before_retry(self._connection.backoff, self._attempts, status, retry_after, draw)
        if pause is None or (self._end is not None and self._connection.clock() + pause >= self._end):
            return None
        self.may_have_been_carried_out |= status != 429
        return pause

    def _pause_after_401(self, response: Response) -> float | None:
        """Once, at once, with other credentials. A second 401 is final: the new token is refused for another reason
        than its age."""
        is_over = self._end is not None and self._connection.clock() >= self._end
        if not response.has_renewable_credentials or self._renewed_credentials or is_over:
            return None
        self._renewed_credentials = True
        return 0.0
