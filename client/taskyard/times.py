"""Instants and durations as the API writes them.

An instant is ISO-8601 in UTC with milliseconds, `2026-02-01T10:00:00.000Z`; in Python it is always an aware datetime.
A naive datetime is refused: it would mean the time zone of the machine in one place and UTC in another.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def iso_time(moment: datetime) -> str:
    """An aware datetime → `2026-02-01T10:00:00.000Z` (cut, not rounded, to milliseconds). ValueError when naive."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(
            f"{moment.isoformat()} has no time zone: pass an aware datetime, for example datetime.now(UTC)"
        )
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso_time(text: str) -> datetime:
    """`2026-02-01T10:00:00.000Z` → an aware datetime. ValueError for another text, or one without offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone: end it with Z or an offset such as +01:00")
    return moment


def instant_of(document: Mapping[str, Any], name: str) -> datetime | None:
    """The instant in a field of an answer; None when the field is absent or null."""
    value = document.get(name)
    return from_iso_time(value) if isinstance(value, str) else None


def in_seconds(duration: float | timedelta) -> float:
    """Seconds; a whole number of them as an int, as people write it in JSON."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return int(seconds) if float(seconds).is_integer() else seconds


def parse_duration(text: str) -> float:
    """`90`, `90s`, `15m`, `1h30m`, `2d`, `500ms` → seconds. ValueError for anything else."""
    compact = text.strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(?:\.\d+)?", compact):
        return in_seconds(float(compact))
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is not a duration: write 90, 90s, 15m, 1h30m or 2d")
    return in_seconds(sum(float(number) * _UNITS[unit] for number, unit in parts))
