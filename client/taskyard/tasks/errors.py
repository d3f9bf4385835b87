"""What a handler, or `ctx`, raises to say how the attempt ends."""

from __future__ import annotations

import math


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
    """Raised by `ctx.once`: an earlier attempt began the effect and died before it recorded an end.

    The effect is not repeated. The handler decides: look at the other side, go on, or `raise Permanent`.
    """

    def __init__(self, name: str, attempt: int) -> None:
        super().__init__(f"effect {name!r} was begun by attempt {attempt} and its end is not known")
        self.name = name
        self.attempt = attempt


class ResultNotStored(Exception):
    """Raised by `ctx.once`, in the attempt that ran the effect and in every later one: the effect is done, but its
    result cannot be stored. If the handler does not catch it, the task is FAILED at once: a retry would end alike."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"effect {name!r} is done, but its result cannot be stored: {problem}")
        self.name = name
        self.problem = problem


class NotSubmitted(Permanent):
    """Raised by `ctx.submit`: the task cannot be submitted as it is asked for. If the handler does not catch it, its
    own task is FAILED at once: a retry would end alike."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"submit {name!r} is refused: {problem}")
        self.name = name
        self.problem = problem


class LeaseLost(Exception):
    """This attempt's fence was refused: another attempt runs, or the task is settled. Stop; nothing is recorded."""


class TaskFileError(TypeError):
    """A task file is wrong. `file`, `line`: where; `message`: what, and how to put it right."""

    def __init__(self, file: str, line: int, message: str) -> None:
        self.file = file
        self.line = line
        self.message = message
        super().__init__(f"{file}:{line}: {message}")
