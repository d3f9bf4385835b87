"""HTTP requests to receivers outside: what `ctx.http` takes and answers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Protocol

from taskyard.tasks.errors import Permanent, Retry

FRAMING_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that say where a request goes and where its body ends. The client sets them itself."""
RETRY_AFTER_LIMIT_SECONDS = 366 * 86_400
"""A year. A larger value is a mistake and is ignored."""


class ReceiverFailedError(Retry):
    """The receiver could not be reached, or asked for another try."""


class ReceiverRefusedError(Permanent):
    """The receiver said that the request is wrong, or the request leads to where this deployment calls nobody."""


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """`url`: as taskyard/tasks/urls.py allows. `headers` go wherever the request goes; `first_origin_headers` do not
    follow a redirect to another scheme, host or port: those that a caller gave, which may hold anything. `redirects`:
    how many 307s and 308s are followed; all others would turn a POST into a GET."""

    method: str
    url: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    first_origin_headers: Mapping[str, str] = field(default_factory=dict)
    redirects: int = 0


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """`url`: which answered, behind redirects. `headers`: names in lower case; none when they could not be read.
    `text`: the beginning of the body, empty when it could not be read."""

    url: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


class HttpClient(Protocol):
    def send(self, request: HttpRequest, *, seconds: float) -> HttpResponse:
        """The final answer, whatever its status, within `seconds` for everything together, resolving names included.
        Raises ReceiverFailedError, ReceiverRefusedError."""


def headers_problem(headers: Mapping[str, str]) -> str | None:
    """The first header that cannot be sent as it is, and why; None when all can."""
    for name, value in headers.items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            return f"{name!r} is no header name"
        if name.lower() in FRAMING_HEADERS:
            return f"{name} is set by the request itself"
        if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
            return f"{name} holds characters that a header cannot"
    return None


def retry_after_seconds(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds that an answer asks to wait: Retry-After in seconds, or as an HTTP date, which counts from the answer's
    own Date when it has one. None: not said, or nothing that can be meant. `now`: epoch seconds."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,10})?", value):
        seconds = float(value)
    else:
        at = http_date_seconds(value)
        if at is None:
            return None
        sent_at = http_date_seconds(headers.get("date", ""))
        seconds = max(0.0, math.ceil(at - (now if sent_at is None else sent_at)))
    return seconds if seconds <= RETRY_AFTER_LIMIT_SECONDS else None


def http_date_seconds(date: str) -> float | None:
    """Epoch seconds of an HTTP date; None of anything else, of one without a zone too."""
    try:
        parsed = parsedate_to_datetime(date)
        return parsed.timestamp() if parsed.tzinfo is not None else None
    except (ValueError, OverflowError, TypeError, IndexError, OSError):
        return None
