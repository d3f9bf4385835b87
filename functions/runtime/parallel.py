"""Runs one function on many items in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

THREADS = 16
"""Calls at a time; AWS clients keep 25 connections."""


def map_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results in the order of `items`. Raises the first error of `work`, after all calls have ended."""
    todo = list(items)
    if len(todo) <= 1:
        return [work(item) for item in todo]
    with ThreadPoolExecutor(min(THREADS, len(todo))) as threads:
        return list(threads.map(work, todo))


def map_parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R | Exception]:
    """What `work` returned or raised for each item, in the order of `items`: an error of one does not touch the
    others."""
    return map_threads(lambda item: run_or_error(work, item), items)


def run_or_error(work: Callable[[T], R], item: T) -> R | Exception:
    try:
        return work(item)
    except Exception as error:
        return error
