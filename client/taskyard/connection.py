"""What the two clients share around a call: where it goes, how it is signed, whether it is tried again. No I/O."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from taskyard.calls import Request, Response
from taskyard.endpoint import Endpoint, find_endpoint
from taskyard.errors import Unreachable
from taskyard.retrying import Backoff, pause_before_retry, retry_after_seconds
from taskyard.signing import Signer, signer_for

# An answer is at most the API's own 30 s away; connecting never takes long.
TIMEOUT = httpx.Timeout(35.0, connect=5.0)
USER_AGENT = "taskyard-python"

# What no second try mends: the request or the URL itself is wrong.
HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Connection:
    endpoint: Endpoint
    signer: Signer
    backoff: Backoff
    draw: Callable[[], float]
    now: Callable[[], datetime]

    @classmethod
    def open(
        cls,
        url: str | None,
        auth: str | None,
        backoff: Backoff,
        draw: Callable[[], float],
        now: Callable[[], datetime],
    ) -> "Connection":
        endpoint = find_endpoint(url, auth, os.environ, Path.cwd())
        return cls(endpoint, signer_for(endpoint.auth), backoff, draw, now)

    @property
    def trust_env(self) -> bool:
        """Whether HTTP_PROXY and the like hold: not for this machine, whose loopback no proxy can reach."""
        return httpx.URL(self.endpoint.url).host not in ("127.0.0.1", "localhost", "::1")

    def sendable(self, request: Request) -> httpx.Request:
        """The request as it goes out, signed as of now: made anew for each try."""
        url = self.endpoint.url + request.path
        headers = {"accept": "application/json", "user-agent": USER_AGENT, **request.headers}
        headers.update(self.signer(request.method, url, headers, request.body))
        return httpx.Request(request.method, url, headers=headers, content=request.body or None)

    def answer(self, response: httpx.Response) -> Response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status_code, headers, response.content)

    def no_answer(self, error: httpx.TransportError) -> Unreachable:
        if isinstance(error, HOPELESS):
            raise Unreachable(self.endpoint.url, str(error)) from error
        return Unreachable(self.endpoint.url, str(error) or type(error).__name__)

    def pause(self, outcome: Response | Unreachable, tried: int) -> float | None:
        """Seconds until the next try; None when this outcome is the last word."""
        if isinstance(outcome, Unreachable):
            return pause_before_retry(self.backoff, tried, None, None, self.draw())
        wait = retry_after_seconds(outcome.headers.get("retry-after"), self.now())
        return pause_before_retry(self.backoff, tried, outcome.status, wait, self.draw())
