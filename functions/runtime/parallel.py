"""Many tasks in one request: side by side, and one's trouble is not its neighbours'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from functions.aws.queues import MESSAGES_PER_CALL
from functions.core.dispatch import ByQueue, by_queue_or_timer
from functions.core.task import Task
from functions.runtime.dispatch import Dispatcher

T = TypeVar("T")
R = TypeVar("R")

SIDE_BY_SIDE = 16
"""Calls at a time; AWS clients keep 25 connections."""


def run_or_error(work: Callable[[T], R], item: T) -> R | Exception:
    try:
        return work(item)
    except Exception as error:
        return error


def map_parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R | Exception]:
    """What `work` returned or raised, in the order of `items`."""
    if len(items) <= 1:
        return [run_or_error(work, item) for item in items]
    with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(items))) as threads:
        return list(threads.map(lambda item: run_or_error(work, item), items))


def dispatch_many(dispatcher: Dispatcher, tasks: Sequence[Task], *, now: int) -> list[Exception | None]:
    """A wake-up of each one's next generation, for its `available_at`; per task what went wrong. Those that go by queue
    go in tens, and a ten of which one was not taken failed whole: their wake-ups find no write and are dropped."""
    failed: list[Exception | None] = [None] * len(tasks)
    groups = list(group_in_tens(tasks, now))

    def send(group: list[int]) -> None:
        dispatcher.dispatch_next_generation([tasks[at] for at in group], now=now)

    for group, outcome in zip(groups, map_parallel(send, groups), strict=True):
        for at in group:
            failed[at] = outcome
    return failed


def group_in_tens(tasks: Sequence[Task], now: int) -> Iterable[list[int]]:
    """Positions of tasks that can share a call: those of a lane, ten at a time. A timer is a call of its own."""
    lanes: dict[str, list[int]] = {}
    for at, task in enumerate(tasks):
        if isinstance(by_queue_or_timer(max(task.available_at, now), now), ByQueue):
            lanes.setdefault(task.lane, []).append(at)
        else:
            yield [at]
    for positions in lanes.values():
        for start in range(0, len(positions), MESSAGES_PER_CALL):
            yield positions[start : start + MESSAGES_PER_CALL]
