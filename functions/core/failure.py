"""The outcome of an attempt that raised, with the text and the traceback of its error. Pure.

An exception's `__str__`, attributes and notes run code of the handler. The functions here catch every error of that
code. Otherwise the attempt would have no outcome, and its task would stay RUNNING until the lease ends.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from itertools import islice
from types import FrameType

from taskyard.tasks.failure import is_permanent, leaf_errors, requested_delay
from taskyard.tasks.text import class_name, error_text, text_of, truncate

from functions.core.outcomes import Failed

MAX_LEAVES = 10
"""Errors of an exception group that its message names."""
MAX_GROUPS = 30
"""An exception group with more groups is not formatted: groups that share members can expand to billions of errors."""
LOGGED_FRAMES = 100
"""The last frames of each traceback that are logged. An endless recursion has a thousand frames."""
CHAIN_FRAMES = 4
"""The last frames of each error that are stored: the line of the handler, and what it called."""
CHAIN_ERRORS = 8
"""Errors of a chain of causes that are stored."""
CHAIN_TEXT_LENGTH = 160
"""Characters of each error's text in the chain. The text of the last error is also stored outside of the chain."""
ERROR_CLASS_PATTERN = re.compile(r"^([\w.]+)(?=:|$)")
"""An error's class with its module, at the start of a line. The chain stores the class without its module."""
CODE_ROOT_PATTERN = re.compile(r".*/(?:(?:functions|site-packages|opt/python|python3\.\d+)/|(?=taskyard/tasks/))")
"""The folder above the code of the project, of installed packages, of Lambda's layers or of Python itself. Paths are
stored without it."""
TRACEBACK_LENGTH = 32_000
"""Characters that are logged. A log event of CloudWatch has at most 256 KB."""


def failure_of(error: BaseException, handler_file: str | None = None) -> Failed:
    """The outcome of an attempt that raised `error`. `handler_file`: of the handler that ran. Raises nothing."""
    leaves, groups = leaf_errors(error)
    location, chain, formatted = traceback_of(error, handler_file) if groups <= MAX_GROUPS else (None, None, None)
    return Failed(
        class_name(error),
        message_of(error, leaves if groups else []),
        location,
        permanent=is_permanent(leaves),
        after=requested_delay(leaves),
        chain=chain,
        traceback=formatted,
    )


def message_of(error: BaseException, leaves: list[BaseException]) -> str:
    text = text_of(error) or class_name(error)
    if not leaves:
        return text
    leaf_texts = "; ".join(error_text(leaf) for leaf in leaves[:MAX_LEAVES])
    omitted = f"; and {len(leaves) - MAX_LEAVES} more" if len(leaves) > MAX_LEAVES else ""
    return f"{text}: {leaf_texts}{omitted}"


# -- tracebacks


def traceback_of(error: BaseException, handler_file: str | None) -> tuple[str | None, str | None, str | None]:
    """The location where it was raised (file:line), its chain, and its traceback as Python formats it."""
    try:
        formatted = traceback.TracebackException(
            type(error), error, error.__traceback__, limit=-LOGGED_FRAMES, compact=True
        )
        lines = list(chain_lines(formatted))
        return (
            raise_location(formatted.stack, handler_file),
            "\n".join(lines),
            text_end("".join(formatted.format()), TRACEBACK_LENGTH),
        )
    except BaseException as error_of_formatting:
        return None, None, f"the traceback of {class_name(error)} raised {class_name(error_of_formatting)}"


def stack_of(frame: FrameType, handler_file: str) -> tuple[str | None, str | None, str | None]:
    """As traceback_of, for code that is running."""
    try:
        stack = traceback.extract_stack(frame, limit=LOGGED_FRAMES)
        lines = list(frame_lines(stack))
        return (
            raise_location(stack, handler_file),
            "\n".join(lines),
            text_end("".join(stack.format()), TRACEBACK_LENGTH),
        )
    except BaseException as error_of_formatting:
        return None, None, f"the stack could not be read: {class_name(error_of_formatting)}"


def chain_lines(formatted: traceback.TracebackException) -> Iterator[str]:
    """One line for each frame and each error, causes first, in the order of Python's own output. Short, because the
    record stores it."""
    errors: list[tuple[traceback.TracebackException, str]] = [(formatted, "")]
    while len(errors) < CHAIN_ERRORS:
        last = errors[-1][0]
        if last.__cause__ is not None:
            errors.append((last.__cause__, "which caused"))
        elif last.__context__ is not None and not last.__suppress_context__:
            errors.append((last.__context__, "then, while it was handled"))
        else:
            break
    for error, link in reversed(errors):
        yield from frame_lines(error.stack)
        for line in islice(error.format_exception_only(), MAX_LEAVES):
            yield from (
                truncate(part, CHAIN_TEXT_LENGTH)
                for part in ERROR_CLASS_PATTERN.sub(lambda match: match[1].rpartition(".")[2] or match[1], line)
                .rstrip("\n")
                .split("\n")
            )
        for member in (error.exceptions or ())[:MAX_LEAVES]:
            yield from (f"| {line}" for line in chain_lines(member))
        if link:
            yield link


def frame_lines(stack: traceback.StackSummary) -> Iterator[str]:
    # The frames of the worker itself do not help to find an error of the handler.
    frames = [frame for frame in stack if "/functions/worker/" not in frame.filename]
    return (f"{short_path(frame.filename)}:{frame.lineno} in {frame.name}" for frame in frames[-CHAIN_FRAMES:])


def raise_location(stack: traceback.StackSummary, handler_file: str | None) -> str | None:
    """The last frame in the handler's own file; without one, the last frame. A reader looks there first."""
    handler_frames = [frame for frame in stack if frame.filename == handler_file] or stack[-1:]
    last = handler_frames[-1] if handler_frames else None
    return f"{short_path(last.filename)}:{last.lineno}" if last else None


def short_path(filename: str) -> str:
    return CODE_ROOT_PATTERN.sub("", filename)


def text_end(text: str, limit: int) -> str:
    """The last `limit` characters: an error's own line comes last."""
    return text_of(text if len(text) <= limit else "…" + text[1 - limit :])
