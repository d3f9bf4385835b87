"""Where and how both clients send requests: endpoint, signature, time-out, retries. No I/O, no HTTP library."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from taskyard.errors import Unreachable
from taskyard.transport.call import Response
from taskyard.transport.endpoint import Endpoint, find_endpoint
from taskyard.transport.retries import Backoff, pause_before_retry, retry_after_seconds
from taskyard.transport.signing import Signer, signer_for

TIMEOUT_SECONDS: Final = 35.0
"""Of one request. API Gateway ends a request after 30 s."""


@dataclass(frozen=True, slots=True)
class Connection:
    """timeout: seconds that one request may take, from connecting to the last byte of its answer. draw: uniform in
    [0, 1). now: the time of day. clock: monotonic seconds."""

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
        return cls(endpoint, signer_for(endpoint.auth), backoff or Backoff(), draw, now, clock, timeout)


class RequestRetries:
    """Counts the attempts of one request and decides about the next one. within: seconds that all attempts together may
    take; None is without end."""

    def __init__(self, connection: Connection, within: float | None = None) -> None:
        self._connection = connection
        self._attempts = 0
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
