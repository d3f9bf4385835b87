"""Side effects that `ctx.once` runs at most once for a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskyard.tasks.text import repr_of

EFFECT_NAME_BYTES = 500
"""A name is part of a sort key, of which DynamoDB takes 1,024 bytes."""


@dataclass(frozen=True)
class Effect:
    """What is known of a side effect that was reserved before. `attempt`: the one that reserved it. `problem`: it is
    done, and this is why its result could not be stored."""

    done: bool
    attempt: int
    result: Any = None
    problem: str | None = None


def check_effect_name(name: object) -> None:
    """Raises ValueError."""
    if not isinstance(name, str) or not 1 <= len(name.encode(errors="replace")) <= EFFECT_NAME_BYTES:
        raise ValueError(
            f"the name of an effect is a text of 1 to {EFFECT_NAME_BYTES} bytes, not {repr_of(name)[:100]}"
        )
    if not name.isprintable():
        raise ValueError(f"the name of an effect is printable text, not {repr_of(name)}")
