"""How an attempt can end, as values. Handlers return, or raise one of the two exceptions here, or any other."""

from __future__ import annotations

import math
from dataclasses import dataclass


class Retry(Exception):
    """Raised by a handler: try again, `after` seconds from now (default: what the task's policy says)."""

    def __init__(self, reason: str = "", *, after: float | None = None) -> None:
        super().__init__(reason or "the handler asked for a retry")
        # An int is a number, however large: isnan would have to make a float of it.
        if after is not None and not isinstance(after, int) and math.isnan(after):
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


class ResultNotStored(Exception):
    """Raised by `ctx.once`, in the attempt that ran the effect and in every later one: the effect is done, but its
    result cannot be stored. Unhandled, the task is FAILED at once: a retry would find the same."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"effect {name!r} is done, but its result cannot be stored: {problem}")
        self.name = name
        self.problem = problem


class TimedOut(Exception):
    """The attempt ran longer than the task's `timeoutSeconds`."""


class LoopBlocked(Exception):
    """The attempt was a coroutine, and another one held the event loop for so long that there was no time left."""


@dataclass(frozen=True)
class Succeeded:
    """`result`: JSON text; None when the handler returned nothing."""

    result: str | None = None


@dataclass(frozen=True)
class Failed:
    """An attempt that raised. `permanent`: no retry; `after`: seconds, overrides the policy; `where`: file:line.
    `chain`: short, one line a frame and an error, oldest first, to be stored; `traceback`: as Python formats it, to be
    logged. `charged`: False when the attempt was not let run, through no fault of its task."""

    error_type: str
    message: str
    where: str | None = None
    permanent: bool = False
    after: float | None = None
    chain: str | None = None
    traceback: str | None = None
    charged: bool = True


Outcome = Succeeded | Failed
