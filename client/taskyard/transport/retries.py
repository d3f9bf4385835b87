"""Whether a request is sent again, and after what pause. Pure: the random draw and the time of day are arguments.

Sending again is safe for every request of this client: a request that is not idempotent (a submit, a change, a retry, a
redrive, a bulk cancel) carries an idempotency key.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Temporary refusals: throttled, or a gateway or function that is not available now.
RETRIED_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: the pause before attempt n + 1 is drawn from 0 to min(cap, base · 2^(n-1)) seconds.

    After a Retry-After the jitter is added to it: without jitter all clients with the same Retry-After would return in
    the same second. A Retry-After above `longest_retry_after` seconds is not waited for: the error is raised instead.
    tries: attempts in all.
    """

    tries: int = 5
    base: float = 0.2
    cap: float = 10.0
    longest_retry_after: float = 60.0


def pause_before_retry(
    backoff: Backoff, attempts: int, status: int | None, retry_after: float | None, draw: float
) -> float | None:
    """Seconds to wait before the next attempt; None when there is no next attempt.

    attempts: made so far, 1 after the first. status: None when no answer came.
    retry_after: seconds, from the answer. draw: uniform in [0, 1).
    """
    if status is not None and status not in RETRIED_STATUSES:
        return None
    if attempts >= backoff.tries:
        return None
    # 2 ** 60 is above any cap, and the float stays finite for any number of attempts.
    jitter = draw * min(backoff.cap, backoff.base * 2.0 ** min(attempts - 1, 60))
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
        # Also for an impossible offset or date.
        return None
