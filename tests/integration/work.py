"""How much work a call does, counted and not timed: the same number on every machine.

Counted are the bytecode instructions of the project's functions, and what their calls of C methods go through: a
`list.count` is one instruction, and looks at the whole list. `in` on a list that a local variable names counts alike.
Not seen: what pydantic and `json` do inside, the arguments of C functions, and the backtracking of regular expressions
(tests/unit/test_patterns.py looks at those).
"""

from __future__ import annotations

import dis
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

FUNCTIONS = str(Path(__file__).parents[2] / "functions")
SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
OF_ONE_ENTRY = frozenset(
    {"append", "get", "add", "pop", "setdefault", "items", "values", "keys", "discard", "extend", "update"}
    | {"startswith", "endswith"}
)
"""Methods whose work does not grow with what they are called on; what `extend` goes through is its argument."""


class Work:
    """Per thread, so that no thread's count is lost to another's."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    @property
    def total(self) -> int:
        return self._counts.total()

    def call(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        """For sys.settrace."""
        if not frame.f_code.co_filename.startswith(FUNCTIONS):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.instruction

    def instruction(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        if event == "opcode":
            searched = searches(frame.f_code).get(frame.f_lasti)
            container = frame.f_locals.get(searched) if searched else None
            self._counts[threading.get_ident()] += 1 + (len(container) if isinstance(container, list | tuple) else 0)
        return self.instruction

    def method(self, frame: FrameType, event: str, called: Any) -> None:
        """For sys.setprofile."""
        if event != "c_call" or not frame.f_code.co_filename.startswith(FUNCTIONS):
            return
        receiver = getattr(called, "__self__", None)
        if isinstance(receiver, SIZED) and called.__name__ not in OF_ONE_ENTRY:
            self._counts[threading.get_ident()] += len(receiver)


@cache
def searches(code: CodeType) -> dict[int, str]:
    """Where `x in y` is evaluated for a local variable: offset of the instruction → the variable's name."""
    found, before = {}, None
    for instruction in dis.get_instructions(code):
        if (
            instruction.opname == "CONTAINS_OP"
            and before is not None
            and before.opname.startswith(("LOAD_FAST", "LOAD_DEREF"))
        ):
            found[instruction.offset] = str(before.argval)
        before = instruction
    return found


@contextmanager
def counted() -> Iterator[Work]:
    """Of everything that runs inside, threads that are started there included."""
    work = Work()
    tracing, profiling = sys.gettrace(), sys.getprofile()
    threading.settrace(work.call)
    threading.setprofile(work.method)
    sys.settrace(work.call)
    sys.setprofile(work.method)
    try:
        yield work
    finally:
        sys.setprofile(profiling)
        sys.settrace(tracing)
        threading.setprofile(None)  # type: ignore[arg-type]
        threading.settrace(None)  # type: ignore[arg-type]


def grows_linearly(of: Callable[[int], object], size: int) -> bool:
    """Whether each doubling of the input adds about twice what the one before added: a quadratic one adds four times
    as much. What does not grow at all is as good."""
    totals = []
    for n in (size, size, 2 * size, 4 * size):
        with counted() as work:
            of(n)
        totals.append(work.total)
    # The first one, of the first size, imports and fills caches.
    _, one, two, four = totals
    return four - two <= 2.6 * max(two - one, SLACK)


SLACK = 2000
"""Instructions: differences below are noise, such as whether an id is found in a cache."""
