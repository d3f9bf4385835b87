"""Following tasks: a live table on a terminal, else a line for each change."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.output import nobody_reads
from taskyard.cli.text import console_for, summary, tasks_table
from taskyard.model import Task

if TYPE_CHECKING:
    from taskyard.client import Taskyard

Look = Callable[[], Sequence[Task]]


def look_at(yard: "Taskyard", ids: Sequence[str]) -> Look:
    """Reads the given tasks, in that order; one that has settled is not asked for again."""
    seen: dict[str, Task] = {}

    def look() -> Sequence[Task]:
        for task_id in dict.fromkeys(ids):
            if task_id not in seen or not seen[task_id].settled:
                seen[task_id] = yard.get(task_id)
        return list(seen.values())

    return look


def looks(look: Look, interval: float, sleep: Callable[[float], None]) -> Iterator[Sequence[Task]]:
    """One look every `interval` seconds until all are settled."""
    while True:
        tasks = look()
        yield tasks
        if tasks and all(task.settled for task in tasks):
            return
        sleep(interval)


def changed(tasks: Sequence[Task], before: dict[str, tuple[str, int]]) -> list[Task]:
    """The tasks whose state or attempt is not that of `before`, which is brought up to date."""
    news = [task for task in tasks if before.get(task.id) != (task.state, task.attempt)]
    before.update({task.id: (task.state, task.attempt) for task in news})
    return news


def watch(yard: "Taskyard", args: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    if args.ids:
        views = looks(look_at(yard, args.ids), args.interval, sleep)
    else:
        views = _newest(yard, args.limit, args.interval, sleep)
    if args.json or not sys.stdout.isatty():
        tasks = _follow_as_lines(views, args.json)
    else:
        tasks = _follow_as_table(views)
    if not args.ids:
        # Ended by whoever looked on, not by the tasks.
        return ExitCode.OK
    return ExitCode.OK if all(task.succeeded for task in tasks) else ExitCode.TASK_FAILED


def _newest(yard: "Taskyard", limit: int, interval: float, sleep: Callable[[float], None]) -> Iterator[Sequence[Task]]:
    while True:
        tasks = list(yard.list(limit=limit))
        if not tasks:
            print("no tasks yet", file=sys.stderr)
        yield tasks
        if nobody_reads():
            return
        sleep(interval)


def _follow_as_lines(views: Iterator[Sequence[Task]], as_json: bool) -> Sequence[Task]:
    before: dict[str, tuple[str, int]] = {}
    tasks: Sequence[Task] = ()
    for tasks in views:
        for task in changed(tasks, before):
            print(json.dumps(task.raw, ensure_ascii=False) if as_json else summary(task), flush=True)
    return tasks


def _follow_as_table(views: Iterator[Sequence[Task]]) -> Sequence[Task]:
    from rich.live import Live

    tasks: Sequence[Task] = ()
    console = console_for()
    with Live(console=console, auto_refresh=False) as live:
        for tasks in views:
            live.update(tasks_table(tasks, console.width), refresh=True)
    return tasks
