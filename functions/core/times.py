"""Times as people and programs outside read them."""

from __future__ import annotations

from datetime import UTC, datetime


def written(at: int | None) -> str | None:
    """Epoch ms as `2026-02-01T10:00:00.000Z`."""
    return None if at is None else iso(at)


def iso(at: int) -> str:
    return f"{datetime.fromtimestamp(at // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{at % 1000:03d}Z"


def epoch_ms(text: str) -> int:
    """Of an ISO 8601 time with an offset. Raises ValueError."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
