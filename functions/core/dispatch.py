"""Which way a wake-up travels to be there at its time (docs/adr/0003)."""

from __future__ import annotations

from typing import NamedTuple

SQS_DELAY_MAX_SECONDS = 900
"""AWS: DelaySeconds is at most 15 minutes."""
MINUTE_MS = 60_000


class ByQueue(NamedTuple):
    """SendMessage with this DelaySeconds."""

    delay_seconds: int


class ByTimer(NamedTuple):
    """A one-time schedule at this minute (epoch ms): a minute or more before the due time, because Scheduler fires
    anywhere within its minute. The worker that receives the message early sends it on with what remains."""

    at: int


def by_queue_or_timer(available_at: int, now: int) -> ByQueue | ByTimer:
    """Both epoch ms. The delay is rounded up: a wake-up that is early by a fraction would have to travel twice."""
    seconds = max(0, -(-(available_at - now) // 1000))
    if seconds <= SQS_DELAY_MAX_SECONDS:
        return ByQueue(seconds)
    return ByTimer((available_at - MINUTE_MS) // MINUTE_MS * MINUTE_MS)


def timer_name(task_id: str, generation: int, at: int) -> str:
    """The same name for the same wake-up, so that a timer made twice exists once. AWS: at most 64 of `[0-9a-zA-Z-_.]`.

    The minute is part of it because two submits that race for one idempotency key may ask for different times:
    the loser's timer must not stand in for the winner's.
    """
    return f"{task_id}-{generation}-{at // MINUTE_MS}"
