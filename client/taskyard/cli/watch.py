"""Follows tasks: a live table on a terminal, else a line for each change."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from taskyard.api.tasks.models import Task
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.output import output_is_closed
from taskyard.cli.text import console_for, summary, tasks_table
from taskyard.extras import packages_of_extra

if TYPE_CHECKING:
    from taskyard.client import Taskyard

ReadTasks = Callable[[], Sequence[Task]]


def reader_of(yard: "Taskyard", ids: Sequence[str]) -> ReadTasks:
    """A function that reads the given tasks, in that order. A task that has settled is not read again."""
    last_read: dict[str, Task] = {}

    def read_tasks() -> Sequence[Task]:
        for task_id in dict.fromkeys(ids):
            if task_id not in last_read or not last_read[task_id].settled:
                last_read[task_id] = yard.get(task_id)
        return list(last_read.values())

    return read_tasks


def read_repeatedly(read_tasks: ReadTasks, interval: float, sleep: Callable[[float], None]) -> Iterator[Sequence[Task]]:
    """Reads every `interval` seconds until all tasks have settled."""
    while True:
        tasks = read_tasks()
        yield tasks
        if tasks and all(task.settled for task in tasks):
            return
        sleep(interval)


def changed_tasks(tasks: Sequence[Task], before: dict[str, tuple[str, int]]) -> list[Task]:
    """The tasks whose state or attempt differs from `before`, which is updated. before: id → state and attempt."""
    changed = [task for task in tasks if before.get(task.id) != (task.state, task.attempt)]
    before.update({task.id: (task.state, task.attempt) for task in changed})
    return changed


def watch(yard: "Taskyard", args: argparse.Namespace, sleep: Callable[[float], None] = time.sleep) -> ExitCode:
    if args.ids:
        views = read_repeatedly(reader_of(yard, args.ids), args.interval, sleep)
    else:
        views = _newest(yard, args.limit, args.interval, sleep)
    if args.json or not sys.stdout.isatty():
        tasks = _follow_as_lines(views, args.json)
    else:
        tasks = _follow_as_table(views)
    if not args.ids:
        # The reader ended the output, not the tasks.
        return ExitCode.OK
    return ExitCode.OK if all(task.succeeded for task in tasks) else ExitCode.TASK_FAILED


def _newest(yard: "Taskyard", limit: int, interval: float, sleep: Callable[[float], None]) -> Iterator[Sequence[Task]]:
    while True:
        tasks = list(yard.list(limit=limit))
        if not tasks:
            print("no tasks yet", file=sys.stderr)
        yield tasks
        if output_is_closed():
            return
        sleep(interval)


def _follow_as_lines(views: Iterator[Sequence[Task]], as_json: bool) -> Sequence[Task]:
    before: dict[str, tuple[str, int]] = {}
    tasks: Sequence[Task] = ()
    for tasks in views:
        for task in changed_tasks(tasks, before):
            print(json.dumps(task.raw, ensure_ascii=False) if as_json else summary(task), flush=True)
    return tasks


def _follow_as_table(views: Iterator[Sequence[Task]]) -> Sequence[Task]:
    with packages_of_extra("cli"):
        from rich.live import Live

    tasks: Sequence[Task] = ()
    console = console_for()
    with Live(console=console, auto_refresh=False) as live:
        for tasks in views:
            live.update(tasks_table(tasks, console.width), refresh=True)
    return tasks
