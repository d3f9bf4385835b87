"""What a handler raised, as an outcome with texts and tracebacks, whatever its own methods raise. Pure.

An exception's `__str__`, its attributes and its notes are code of the handler's. Nothing here lets an error of theirs
through: an attempt whose error could not be described would stay RUNNING until its lease ends.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from itertools import islice
from types import FrameType

from taskyard.tasks.failure import is_permanent, leaf_errors, requested_delay
from taskyard.tasks.text import bounded, class_name, error_text, text_of

from functions.core.outcomes import Failed

LEAVES = 10
"""Of an exception group: how many are named in its message."""
GROUPS = 30
"""An exception group of more groups than this is not formatted: ones that share members may stand for billions."""
FRAMES = 100
"""The last frames of each traceback that are logged; an endless recursion has a thousand."""
CHAIN_FRAMES = 4
"""The last frames of each error that are stored: where the handler was, and what it had called."""
CHAIN_ERRORS = 8
CHAIN_TEXT = 160
"""Characters of each error's text in the chain. That of the last error is stored beside it."""
CLASS = re.compile(r"^([\w.]+)(?=:|$)")
"""An error's class with its module, at the start of a line. Its name says enough in a chain."""
FOLDERS = re.compile(r".*/(?:(?:functions|site-packages|opt/python|python3\.\d+)/|(?=taskyard/tasks/))")
"""Where code lies: of the project, of installed packages, of Lambda's layers, of Python itself."""
TRACEBACK_LIMIT = 32_000
"""Characters that are logged. CloudWatch takes events of up to 256 KB."""


def failure_of(error: BaseException, handler_file: str | None = None) -> Failed:
    """The outcome of an attempt that raised `error`. `handler_file`: of the handler that ran. Never raises."""
    leaves, groups = leaf_errors(error)
    where, chain, formatted = traceback_of(error, handler_file) if groups <= GROUPS else (None, None, None)
    return Failed(
        class_name(error),
        message_of(error, leaves if groups else []),
        where,
        permanent=is_permanent(leaves),
        after=requested_delay(leaves),
        chain=chain,
        traceback=formatted,
    )


def message_of(error: BaseException, leaves: list[BaseException]) -> str:
    text = text_of(error) or class_name(error)
    if not leaves:
        return text
    named = "; ".join(error_text(leaf) for leaf in leaves[:LEAVES])
    more = f"; and {len(leaves) - LEAVES} more" if len(leaves) > LEAVES else ""
    return f"{text}: {named}{more}"


# -- tracebacks


def traceback_of(error: BaseException, handler_file: str | None) -> tuple[str | None, str | None, str | None]:
    """Where it was raised (file:line), its chain, and its traceback as Python formats it."""
    try:
        found = traceback.TracebackException(type(error), error, error.__traceback__, limit=-FRAMES, compact=True)
        lines = list(chain_lines(found))
        return place(found.stack, handler_file), "\n".join(lines), tail("".join(found.format()), TRACEBACK_LIMIT)
    except BaseException as trouble:
        return None, None, f"the traceback of {class_name(error)} raised {class_name(trouble)}"


def stack_of(frame: FrameType, handler_file: str) -> tuple[str | None, str | None, str | None]:
    """As traceback_of, of code that runs at the moment."""
    try:
        stack = traceback.extract_stack(frame, limit=FRAMES)
        lines = list(frame_lines(stack))
        return place(stack, handler_file), "\n".join(lines), tail("".join(stack.format()), TRACEBACK_LIMIT)
    except BaseException as trouble:
        return None, None, f"the stack could not be read: {class_name(trouble)}"


def chain_lines(found: traceback.TracebackException) -> Iterator[str]:
    """One line a frame and an error, causes first, as Python prints them; short, because it is stored."""
    errors: list[tuple[traceback.TracebackException, str]] = [(found, "")]
    while len(errors) < CHAIN_ERRORS:
        last = errors[-1][0]
        if last.__cause__ is not None:
            errors.append((last.__cause__, "which caused"))
        elif last.__context__ is not None and not last.__suppress_context__:
            errors.append((last.__context__, "then, while it was handled"))
        else:
            break
    for one, then in reversed(errors):
        yield from frame_lines(one.stack)
        for line in islice(one.format_exception_only(), LEAVES):
            yield from (
                bounded(part, CHAIN_TEXT)
                for part in CLASS.sub(lambda match: match[1].rpartition(".")[2] or match[1], line)
                .rstrip("\n")
                .split("\n")
            )
        for member in (one.exceptions or ())[:LEAVES]:
            yield from (f"| {line}" for line in chain_lines(member))
        if then:
            yield then


def frame_lines(stack: traceback.StackSummary) -> Iterator[str]:
    # The frames of the worker itself say nothing of the handler.
    frames = [frame for frame in stack if "/functions/worker/" not in frame.filename]
    return (f"{short(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames[-CHAIN_FRAMES:])


def place(stack: traceback.StackSummary, handler_file: str | None) -> str | None:
    """The last frame of the handler's own, not of what it called, is where a reader wants to look first."""
    own = [frame for frame in stack if frame.filename == handler_file] or stack[-1:]
    return f"{short(own[-1].filename)}:{own[-1].lineno}" if own else None


def short(filename: str) -> str:
    return FOLDERS.sub("", filename)


def tail(text: str, limit: int) -> str:
    """The last `limit` characters: an error's own line comes last."""
    return text_of(text if len(text) <= limit else "…" + text[1 - limit :])
