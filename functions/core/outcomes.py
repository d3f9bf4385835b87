"""How an attempt can end, as values. Handlers return, or raise one of the two exceptions here, or any other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


class Retry(Exception):
    """Raised by a handler: try again, `after` seconds from now (default: what the task's policy says)."""

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason or "the handler asked for a retry")
        if after is not None and math.isnan(after):
            raise ValueError("after must be a number of seconds")
        self.after = after


class Permanent(Exception):
    """Raised by a handler: no retry makes sense. The task is FAILED at once."""


class InDoubt(Exception):
    """Raised by `ctx.once`: the effect was begun by an attempt that died before it could say how it went.

    It is not repeated. The handler decides: look at the other side, go on, or `raise Permanent`.
    """

    def __init__(self, name: str, attempt: int) -> None:
        super().__init__(f"effect {name!r} was begun by attempt {attempt} and its end is not known")
        self.name = name
        self.attempt = attempt


class TimedOut(Exception):
    """The attempt ran longer than the task's `timeoutSeconds`."""


@dataclass(frozen=True)
class Succeeded:
    result: Any = None


@dataclass(frozen=True)
class Failed:
    """An attempt that raised. `permanent`: no retry; `after`: seconds, overrides the policy; `where`: file:line."""

    error_type: str
    message: str
    where: str | None = None
    permanent: bool = False
    after: float | None = None


Outcome = Succeeded | Failed
