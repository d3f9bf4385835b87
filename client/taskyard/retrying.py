"""When a request is sent again, and after what pause. Pure: the random draw and the present are arguments.

Sending again is safe for every request that this client makes: what would not be the same done twice (a submit, a
change, a retry, a redrive, a bulk cancel) carries an idempotency key.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The answers that say "later", not "no": throttled, or a gateway or function that could not be had just now.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: the pause before try n + 1 is drawn from 0 to min(cap, base · 2^(n-1)) seconds.

    A Retry-After is waited out and the jitter comes on top, or all who were told the same second return in it.
    One longer than `longest_retry_after` is not waited for: the caller learns of it instead.
    """

    tries: int = 5
    base: float = 0.2
    cap: float = 10.0
    longest_retry_after: float = 60.0


def pause_before_retry(
    backoff: Backoff, tried: int, status: int | None, retry_after: float | None, draw: float
) -> float | None:
    """Seconds to wait before the next try; None when there is none.

    tried: how many tries were made, 1 after the first. status: None when no answer came.
    retry_after: seconds, from the answer. draw: uniform in [0, 1).
    """
    if status is not None and status not in RETRIED_STATUSES:
        return None
    if tried >= backoff.tries:
        return None
    # 2 ** 60 is past any cap, and the float stays finite whatever the number of tries.
    jitter = draw * min(backoff.cap, backoff.base * 2.0 ** min(tried - 1, 60))
    if retry_after is None:
        return jitter
    if retry_after > backoff.longest_retry_after:
        return None
    return retry_after + jitter


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The Retry-After header, seconds or an HTTP date, as seconds from `now`; None when absent or unreadable."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    except (ValueError, OverflowError, TypeError):
        # An offset or a date that no clock has, as well.
        return None


def polling_pauses(first: float = 0.1, growth: float = 1.5, cap: float = 5.0) -> Iterator[float]:
    """The pauses between looks at an awaited task: short for short tasks, at most `cap` seconds for long ones."""
    pause = first
    while True:
        yield pause
        pause = min(cap, pause * growth)
