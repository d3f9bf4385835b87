"""A line for each task that ends, from the records of the table's stream (docs/data-model.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def task_line(record: Mapping[str, Any]) -> str | None:
    """`RESIZE_IMAGE 3f2a… SUCCESS after 1.3 s, attempt 1`; None for a record of anything but the end of a task."""
    change = record["dynamodb"]
    new, old = change.get("NewImage"), change.get("OldImage", {})
    if not new or not new["pk"].get("S", "").startswith("TASK#") or new["sk"].get("S") != "TASK":
        return None
    ended = _number(new, "endedAt")
    if ended is None or ended == _number(old, "endedAt"):
        return None
    kind, state = new["type"]["S"], new["state"]["S"]
    started, attempt = _number(new, "startedAt"), _number(new, "attempt")
    took = f" after {(ended - started) / 1000:.1f} s" if started is not None else ""
    tries = f", attempt {attempt}" if attempt else ""
    reason = new.get("reason", {}).get("S")
    return f"{kind} {new['pk']['S'].split('#', 2)[2]} {state}{took}{tries}" + (f": {reason}" if reason else "")


def _number(item: Mapping[str, Any], name: str) -> int | None:
    value = item.get(name, {}).get("N")
    return int(value) if value is not None else None
