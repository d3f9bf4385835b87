"""ISO 8601 times of requests and answers ⇄ epoch milliseconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

DAY_MS = 86_400_000
MAX_CHARACTERS = 64
"""Of a time that is parsed. One with nine digits of a second and an offset has 40."""
EXAMPLE = "2026-02-01T10:00:00Z"
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DATE = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:-?(?P<month>[0-9]{2})-?(?P<day>[0-9]{2})|-?(?P<ordinal>[0-9]{3})|-?[Ww](?P<week>[0-9]{2})-?(?P<weekday>[1-7]))"
)
_CLOCK = re.compile(
    r"(?P<hour>[0-9]{2})(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]+))?)?)?"
)
_OFFSET = re.compile(
    r" ?(?:(?P<utc>[Zz])|"
    r"(?P<sign>[+\u2212-])(?P<hours>[0-9]{2})(?::?(?P<minutes>[0-9]{2})(?::?(?P<seconds>[0-9]{2}))?)?)"
)
NO_OFFSET_MESSAGE = "must say its offset from UTC: end it with Z, or with one like +02:00"


@dataclass
class InvalidTime(ValueError):
    """`detail` completes a sentence that begins with the field's name: "must say …"."""

    detail: str

    def __str__(self) -> str:
        return self.detail


def iso_time_or_none(at: int | None) -> str | None:
    """Epoch ms as `2026-02-01T10:00:00.000Z`."""
    return None if at is None else iso_time(at)


def iso_time(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def epoch_ms(text: str) -> int:
    """Parses a time with an offset, in the notation of ISO 8601, RFC 3339 or PostgreSQL. Raises InvalidTime.

    Calendar, ordinal and week dates, with dashes or without; then `T`, `t` or a space; hours, with minutes and seconds
    or without, and a fraction after a point or a comma, rounded to the millisecond; then `Z`, `z`, `+02`, `+0200`,
    `+02:00` or `+02:00:00`. 24:00 is the midnight that ends the day; second 60, which leap seconds and PostgreSQL have,
    is the first of the next minute.
    """
    stripped = text.strip() if len(text) <= MAX_CHARACTERS else ""
    date_match = _DATE.match(stripped)
    if date_match is None:
        raise InvalidTime(f"must be an ISO 8601 time, like {EXAMPLE}")
    day = _ordinal_day(date_match)
    rest = stripped[date_match.end() :]
    if not rest or _OFFSET.fullmatch(rest):
        raise InvalidTime(f"must say the time of day{' and its offset from UTC' if not rest else ''}, like {EXAMPLE}")
    clock = _CLOCK.match(rest, 1)
    if rest[0] not in "Tt " or clock is None:
        raise InvalidTime(f"must be an ISO 8601 time, like {EXAMPLE}: after the date T and the time of day")
    offset = _OFFSET.fullmatch(rest, clock.end())
    if offset is None:
        if clock.end() == len(rest):
            raise InvalidTime(NO_OFFSET_MESSAGE)
        raise InvalidTime(f"must be an ISO 8601 time, like {EXAMPLE}: {rest[clock.end() :]!r} is no offset from UTC")
    return (day - _EPOCH_DAY) * DAY_MS + _ms_of_day(clock) - _offset_ms(offset)


def _ordinal_day(date_match: re.Match[str]) -> int:
    year = int(date_match["year"])
    try:
        if date_match["week"]:
            return date.fromisocalendar(year, int(date_match["week"]), int(date_match["weekday"])).toordinal()
        if date_match["ordinal"]:
            first = date(year, 1, 1).toordinal()
            last = date(year, 12, 31).toordinal()
            day = first + int(date_match["ordinal"]) - 1
            if not first <= day <= last:
                raise ValueError("the year has no such day")
            return day
        return date(year, int(date_match["month"]), int(date_match["day"])).toordinal()
    except ValueError as error:
        raise InvalidTime(f"must be an ISO 8601 time, like {EXAMPLE}: {error}") from None


def _ms_of_day(clock: re.Match[str]) -> int:
    """Milliseconds since the midnight before."""
    hour, minute, second = (int(clock[name] or 0) for name in ("hour", "minute", "second"))
    # Four digits decide how the third is rounded.
    part = (int((clock["part"] or "")[:4].ljust(4, "0")) + 5) // 10
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second or part)):
        raise InvalidTime(f"must be an ISO 8601 time, like {EXAMPLE}: {clock[0]} is no time of day")
    return ((hour * 60 + minute) * 60 + second) * 1000 + part


def _offset_ms(offset: re.Match[str]) -> int:
    """Milliseconds that the offset is ahead of UTC."""
    if offset["utc"]:
        return 0
    hours, minutes, seconds = (int(offset[name] or 0) for name in ("hours", "minutes", "seconds"))
    if hours > 23 or minutes > 59 or seconds > 59:
        raise InvalidTime(f"must be an ISO 8601 time, like {EXAMPLE}: {offset[0].strip()} is no offset from UTC")
    ahead = ((hours * 60 + minutes) * 60 + seconds) * 1000
    return ahead if offset["sign"] == "+" else -ahead
