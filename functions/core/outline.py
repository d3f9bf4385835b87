"""The shape of an event that could not be read, for the log: names and types. The values stay out, as they may be a
caller's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_LENGTH = 500
MAX_DEPTH = 4
MAX_NAMES = 20
MAX_NAME_LENGTH = 40


def outline(event: Any) -> str:
    """`event`: a value as JSON has it, or its text. At most MAX_LENGTH characters; never raises.

    `{"submit": {"type": text of 4}}`.
    """
    if isinstance(event, str):
        try:
            event = json.loads(event)
        except (ValueError, RecursionError):
            return f"text of {len(event)} characters, not JSON"
    return _outline(event, MAX_DEPTH)[:MAX_LENGTH]


def _outline(value: Any, depth: int) -> str:
    match value:
        case Mapping():
            if depth == 0:
                return f"object of {len(value)}"
            shown = list(value.items())[:MAX_NAMES]
            entries = [
                f"{json.dumps(str(name)[:MAX_NAME_LENGTH])}: {_outline(each, depth - 1)}" for name, each in shown
            ]
            return "{" + ", ".join(entries + ["…"] * (len(value) > MAX_NAMES)) + "}"
        case list() | tuple():
            first = f": {_outline(value[0], depth - 1)}" if value and depth > 0 else ""
            return f"list of {len(value)}{first}"
        case str():
            return f"text of {len(value)}"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case None:
            return "null"
        case _:
            return type(value).__name__
