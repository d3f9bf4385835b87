"""The lines that a handler logs: how many are stored with an attempt, and how long they may be."""

from __future__ import annotations

from typing import Any

from taskyard.tasks.text import repr_of, text_of, truncate

LOG_LINES = 50
LOG_LINE_LIMIT = 500
"""Characters."""
LOG_BYTES = 4096
"""Of one attempt's lines together: every write of the record pays for all that it holds."""


def log_line(message: str, fields: dict[str, Any]) -> str:
    """One line to store: the message, with its fields as a dict is printed."""
    pairs = ", ".join(f"{name!r}: {repr_of(value)}" for name, value in fields.items())
    return truncate(f"{message} {{{pairs}}}" if fields else message, LOG_LINE_LIMIT)


def append_line(lines: list[str], line: str) -> None:
    """Adds a line, and removes lines from the middle until the limits hold: the first and the last lines say most about
    a failure."""
    lines.append(line)
    while len(lines) > LOG_LINES or sum(len(each.encode()) for each in lines) > LOG_BYTES:
        del lines[(len(lines) - 1) // 2]


def log_field(value: Any) -> Any:
    """The value itself where every formatter of logs can write it; else its text."""
    if value is None or type(value) in (bool, float) or (type(value) is int and value.bit_length() < 64):
        return value
    return truncate(text_of(value) if type(value) is str else repr_of(value), LOG_LINE_LIMIT)
