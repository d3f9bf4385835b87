"""The times of a schedule: rates and the timetable, in a time zone, as EventBridge Scheduler reads them (cron:
cron.py).

Scheduler fires the schedules. The times computed here are shown to callers, and tell which time a late firing stands
for. docs/schedules.md says what happens in the hour that a zone skips and in the hour that it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
UNIT_MS = {"minute": MINUTE_MS, "hour": 60 * MINUTE_MS, "day": 24 * 60 * MINUTE_MS}
NOT_AWS_ZONE = re.compile(r"(posix|right)/|(localtime|Factory|posixrules)$")
"""Files beside the zones of some machines that are no IANA time zones."""


@dataclass
class InvalidExpression(ValueError):
    detail: str

    def __str__(self) -> str:
        return self.detail


class Recurrence(Protocol):
    """`expression`: as EventBridge Scheduler takes it."""

    @property
    def expression(self) -> str: ...

    def times_after(self, after: int, *, zone: ZoneInfo, anchor: int | None) -> Iterator[int]:
        """Epoch ms, ascending, all later than `after`. `anchor`: the first time of a rate."""
        ...


@dataclass(frozen=True)
class Timetable:
    """A recurrence between `start` (the first moment at which it may be due; a rate counts from it) and `end` (the
    first at which it may no longer). Epoch ms."""

    recurrence: Recurrence
    zone: ZoneInfo
    start: int | None
    end: int | None

    def times_after(self, at: int) -> Iterator[int]:
        """All times later than `at`."""
        begin = at if self.start is None else max(at, self.start - 1)
        for time in self.recurrence.times_after(begin, zone=self.zone, anchor=self.start):
            if self.end is not None and time >= self.end:
                return
            yield time

    def next_times(self, now: int, count: int) -> list[int]:
        return list(islice(self.times_after(now), count))

    def latest_time(self, at: int, *, since: int) -> int | None:
        """The last time that is later than `since` and not later than `at`."""
        # The window grows step by step, so that few times are listed whether they are a minute or a year apart.
        for hours in (1, 24, 24 * 32, 24 * 366, 24 * 366 * 5, None):
            begin = since if hours is None else max(since, at - hours * UNIT_MS["hour"])
            latest = None
            for time in self.times_after(begin):
                if time > at:
                    break
                latest = time
            if latest is not None or begin == since:
                return latest
        return None

    def is_within(self, at: int) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)


def parse_zone(name: str) -> ZoneInfo:
    """Raises InvalidExpression when `name` is not an IANA time zone."""
    try:
        if NOT_AWS_ZONE.match(name):
            raise ValueError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidExpression("is not an IANA time zone, like Europe/Berlin or UTC") from None


@dataclass(frozen=True)
class Rate:
    """Every `value` units of elapsed time: a day is 24 hours, whatever the clocks do."""

    value: int
    unit: str

    @property
    def expression(self) -> str:
        return f"rate({self.value} {self.unit}{'s' if self.value > 1 else ''})"

    @property
    def period_ms(self) -> int:
        """Milliseconds."""
        return self.value * UNIT_MS[self.unit]

    def times_after(self, after: int, *, zone: ZoneInfo, anchor: int | None) -> Iterator[int]:
        first = anchor or 0
        number = max(0, (after - first) // self.period_ms + 1)
        while True:
            yield first + number * self.period_ms
            number += 1


RATE = re.compile(r"(?:rate\(\s*)?(\d{1,6})\s+(minute|hour|day)s?(\s*\))?", re.IGNORECASE | re.ASCII)


def parse_rate(text: str) -> Rate:
    """`5 minutes`, or AWS's own `rate(5 minutes)`."""
    stripped = text.strip()
    match = RATE.fullmatch(stripped)
    if not match or bool(match[3]) != stripped.lower().startswith("rate("):
        raise InvalidExpression("must be a number and minutes, hours or days, like 5 minutes")
    rate = Rate(int(match[1]), match[2].lower())
    if not 1 <= rate.value * UNIT_MS[rate.unit] <= 366 * UNIT_MS["day"]:
        raise InvalidExpression("must be 1 minute at least and 366 days at most")
    return rate
