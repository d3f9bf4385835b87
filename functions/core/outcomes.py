"""How an attempt ended, as values. A handler returns, or raises (taskyard/tasks/errors.py)."""

from __future__ import annotations

from dataclasses import dataclass


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
