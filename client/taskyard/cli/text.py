"""Tasks as text and tables for people. rich is imported only when a table is made."""

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from taskyard.api.monitor import Stats
from taskyard.api.notifications import Notification
from taskyard.api.task_types import TaskType
from taskyard.api.tasks.models import Task
from taskyard.extras import packages_of_extra

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES: Mapping[str, str] = {
    "SUCCESS": "green",
    "RUNNING": "cyan",
    "RETRY": "yellow",
    "BLOCKED": "magenta",
    "FAILED": "red",
    "DEAD": "bold red",
    "CANCELLED": "dim",
    "SKIPPED": "dim",
}

NARROW_WIDTH = 150
"""Characters. A narrower terminal has no room for every column."""

_WIDTH_WITHOUT_TERMINAL = 200
"""Characters: wide enough that no id is cut."""


def console_for(stream: IO[str] | None = None) -> "Console":
    """Markup is off, so that text of a task is printed as it is."""
    with packages_of_extra("cli"):
        from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def printable(value: Any) -> str:
    """A value on one line, without control characters: a task's text must not move a terminal's cursor."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(character if character.isprintable() else " " for character in text)


def time_text(moment: datetime | None) -> str:
    """`2026-02-01 10:00:03.120Z`, which the command also accepts as an argument."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def short_time_text(moment: datetime | None) -> str:
    """As `time_text`, without milliseconds, for columns."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", "Z")


def rough_duration(duration: float) -> str:
    """Seconds in units for people: `45 s`, `2 h 5 min`, `3 days`."""
    seconds = round(duration)
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60} min"
    return "1 day" if days == 1 else f"{days:,} days"


def seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f} s"


def attempts_text(task: Task) -> str:
    return f"{task.attempt}/{task.max_attempts}" if task.max_attempts is not None else str(task.attempt)


def status_note(task: Task) -> str:
    """Why the task is in its state: its last error, else its reason, else the progress that its handler reported."""
    last = task.attempts[-1] if task.attempts else None
    if last is not None and last.error and task.state in ("RETRY", "FAILED", "DEAD"):
        return printable(f"{last.error_type}: {last.error}" if last.error_type else last.error)
    if task.reason:
        return printable(task.reason)
    return printable(task.progress.note) if task.progress and task.progress.note else ""


def summary(task: Task) -> str:
    """One line."""
    parts = [task.id, task.state, printable(task.type), f"try {attempts_text(task)}"]
    if task.due_at is not None and not task.settled and task.attempt == 0:
        parts.append(f"due {time_text(task.due_at)}")
    if task.lane:
        parts.append(f"lane {task.lane}")
    note = status_note(task)
    return "  ".join([*parts, note] if note else parts)


def table(
    rows: Iterable[Mapping[str, str]], width: int, optional: Collection[str], wrapping: Collection[str]
) -> "Table":
    """Rows of column name → text, all with the same names; STATE is coloured. width: of the terminal, in characters.

    In one narrower than NARROW_WIDTH the columns `optional` are left out, and the columns `wrapping` are wrapped, so
    that ids and times are complete: a cut id cannot be copied.
    """
    with packages_of_extra("cli"):
        from rich.table import Table
        from rich.text import Text

    all_rows = list(rows)
    names = [name for name in (all_rows[0] if all_rows else ()) if width >= NARROW_WIDTH or name not in optional]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=name not in wrapping)
    for row in all_rows:
        table.add_row(*(Text(row[name], STYLES.get(row[name], "") if name == "STATE" else "") for name in names))
    return table


def tasks_table(tasks: Iterable[Task], width: int) -> "Table":
    rows = [
        {
            "ID": task.id,
            "TYPE": printable(task.type),
            "STATE": task.state,
            "TRY": attempts_text(task),
            "DUE": short_time_text(task.due_at),
            "STARTED": short_time_text(task.started_at),
            "ENDED": short_time_text(task.ended_at),
            "NOTE": status_note(task),
        }
        for task in tasks
    ]
    return table(rows, width, optional=("STARTED", "ENDED", "NOTE"), wrapping=("TYPE", "NOTE"))


def task_lines(task: Task) -> list[str]:
    """Everything of one task, a line each."""
    fields: dict[str, Any] = {
        "id": task.id,
        "type": task.type,
        "state": task.state,
        "reason": task.reason,
        "priority": f"{task.priority} (lane {task.lane})" if task.lane else task.priority,
        "tries": attempts_text(task),
        "due": time_text(task.due_at),
        "created": time_text(task.created_at),
        "started": time_text(task.started_at),
        "ended": time_text(task.ended_at),
        "drift": seconds(task.drift_seconds),
        "progress": task.progress and f"{task.progress.fraction} {task.progress.note or ''}",
        "key": task.idempotency_key,
        "tags": dict(task.tags) or None,
        "dependencies": list(task.dependencies) or None,
        "payload": task.payload,
        "result": task.result,
    }
    lines = [f"{name:<13} {printable(value)}" for name, value in fields.items() if value not in (None, "")]
    lines += notification_lines(task.notifications)
    for attempt in task.attempts:
        error = ": ".join(part for part in (attempt.error_type, attempt.error) if part)
        ended = time_text(attempt.ended_at) or "…"
        lines.append(
            printable(
                f"attempt {attempt.number:<5} {time_text(attempt.started_at)} → {ended} {attempt.outcome or ''} {error}"
            )
        )
        if attempt.where and attempt.outcome != "SUCCESS":
            lines.append(printable(f"{'':<13} at {attempt.where}"))
        lines += [printable(f"{'':<13} {entry}") for entry in attempt.log]
    return lines


def notification_lines(notifications: Iterable[Notification]) -> list[str]:
    return [f"{'notify':<13} {notification_line(notification)}" for notification in notifications]


def notification_line(notification: Notification) -> str:
    """The state of one delivery."""
    parts = [printable(notification.to), notification.state]
    if notification.attempts:
        parts.append(f"tried {notification.attempts} times, last {time_text(notification.last_attempt_at)}")
    if notification.error and notification.state != "DELIVERED":
        parts.append(printable(notification.error))
    return "  ".join(parts)


def type_lines(task_type: TaskType) -> list[str]:
    """The type and the fields of its payload; required fields first, marked with a star."""
    also = f"  (also {', '.join(task_type.other_names)})" if task_type.other_names else ""
    lines = [printable(task_type.name) + printable(also)]
    if task_type.fields is None:
        return [*lines, "  any payload"]
    width = max((len(field.name) for field in task_type.fields), default=0) + 1
    for field in task_type.fields:
        name = f"{field.name}*" if field.required else field.name
        lines.append(
            printable(f"  {name:<{width}}  {field.kind}" + (f"  {field.description}" if field.description else ""))
        )
    return lines if task_type.fields else [*lines, "  no fields"]


def stats_lines(stats: Stats) -> list[str]:
    lines = [f"{state:<10} {count:>8}" for state, count in stats.states.items() if count]
    for name, counts in stats.types.items():
        counts_text = counts
        if isinstance(counts, Mapping):
            counts_text = "  ".join(f"{state} {count}" for state, count in counts.items() if count)
        lines.append(f"type {printable(name)}: {printable(counts_text)}")
    lines += [
        f"lane {printable(name)}: {lane.queued} queued, {lane.in_flight} in flight, {lane.delayed} delayed"
        for name, lane in stats.lanes.items()
    ]
    if stats.oldest_seconds is not None:
        lines.append(f"oldest waiting task: {stats.oldest_seconds:g} s")
    return lines or ["no tasks yet"]
