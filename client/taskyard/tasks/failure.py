"""What an exception that a handler raised means for its task: whether it is tried again, and after how long."""

from __future__ import annotations

from math import isnan

from taskyard.tasks.errors import InDoubt, Permanent, ResultNotStored, Retry
from taskyard.tasks.text import is_instance


def leaf_errors(error: BaseException) -> tuple[list[BaseException], int]:
    """The errors that an exception group, at any depth, is about, each once, and how many groups were met. Of any other
    error: itself, and 0."""
    leaves, groups, seen = [], 0, set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        groups += is_instance(current, BaseExceptionGroup)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if is_instance(current, BaseExceptionGroup):
            # The attribute itself: a subclass may have another in front of it.
            waiting += reversed(BaseExceptionGroup.__dict__["exceptions"].__get__(current))
        else:
            leaves.append(current)
    return leaves, groups


def is_permanent(leaves: list[BaseException]) -> bool:
    """Whether the task is FAILED at once. `leaves`: of leaf_errors. InDoubt is permanent, because a repetition could do
    the effect twice, and waiting tells nothing new: a person must look."""
    return all(is_instance(leaf, (Permanent, InDoubt, ResultNotStored)) for leaf in leaves)


def requested_delay(leaves: list[BaseException]) -> float | None:
    """Seconds, the longest that a Retry among the leaves asks for. None: the retry policy decides."""
    retries = [leaf for leaf in leaves if is_instance(leaf, Retry)]
    return max((seconds for leaf in retries if (seconds := after_seconds(leaf)) is not None), default=None)


def after_seconds(error: BaseException) -> float | None:
    """`error.after`. None where that is no number or cannot be read."""
    try:
        after = error.after  # type: ignore[attr-defined]
        seconds = None if after is None else float(after)
    except OverflowError:
        return float("inf") if after > 0 else 0.0
    except BaseException:
        return None
    return None if seconds is None or isnan(seconds) else seconds
