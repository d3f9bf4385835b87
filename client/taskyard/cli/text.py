"""Tasks as text and tables for people. rich is imported when a table is made, not before."""

import json
import sys
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from taskyard.model import Stats, Task
from taskyard.notify import Notification
from taskyard.task_types import TaskType

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

# Below this many characters a terminal has no room for every column.
NARROW = 150

# Wide enough that no id is cut where there is no terminal whose width would count.
_PLAIN_WIDTH = 200


def console_for(stream: IO[str] | None = None) -> "Console":
    """Markup is off: what a task says of itself is shown, not obeyed."""
    from rich.console import Console

    stream = stream or sys.stdout
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def plain(value: Any) -> str:
    """A value on one line, without control characters: a task's text must not move a terminal's cursor."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(character if character.isprintable() else " " for character in text)


def clock(moment: datetime | None) -> str:
    """`2026-02-01 10:00:03.120Z`: as the command takes it, too."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def cell(moment: datetime | None) -> str:
    """As `clock`, to the second, for columns."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(" ", "seconds").replace("+00:00", "Z")


def roughly(duration: float) -> str:
    """Seconds as people say them: `45 s`, `2 h 5 min`, `3 days`."""
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


def tries(task: Task) -> str:
    return f"{task.attempt}/{task.max_attempts}" if task.max_attempts is not None else str(task.attempt)


def last_word(task: Task) -> str:
    """Why the task is where it is: its last error, else its reason, else what its handler said."""
    last = task.attempts[-1] if task.attempts else None
    if last is not None and last.error and task.state in ("RETRY", "FAILED", "DEAD"):
        return plain(f"{last.error_type}: {last.error}" if last.error_type else last.error)
    if task.reason:
        return plain(task.reason)
    return plain(task.progress.note) if task.progress and task.progress.note else ""


def summary(task: Task) -> str:
    """One line."""
    parts = [task.id, task.state, plain(task.type), f"try {tries(task)}"]
    if task.due_at is not None and not task.settled and task.attempt == 0:
        parts.append(f"due {clock(task.due_at)}")
    if task.lane:
        parts.append(f"lane {task.lane}")
    word = last_word(task)
    return "  ".join([*parts, word] if word else parts)


def table(rows: Iterable[Mapping[str, str]], width: int, may_go: Collection[str], may_wrap: Collection[str]) -> "Table":
    """Rows of column name → text, all with the same names; STATE is coloured. width: of the terminal, in characters.

    In one narrower than NARROW the columns `may_go` are left out, and those of `may_wrap` give way before ids and
    times do: a cut id can't be copied.
    """
    from rich.table import Table
    from rich.text import Text

    kept = list(rows)
    names = [name for name in (kept[0] if kept else ()) if width >= NARROW or name not in may_go]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        shown.add_column(name, no_wrap=name not in may_wrap)
    for row in kept:
        shown.add_row(*(Text(row[name], STYLES.get(row[name], "") if name == "STATE" else "") for name in names))
    return shown


def tasks_table(tasks: Iterable[Task], width: int) -> "Table":
    rows = [
        {
            "ID": task.id,
            "TYPE": plain(task.type),
            "STATE": task.state,
            "TRY": tries(task),
            "DUE": cell(task.due_at),
            "STARTED": cell(task.started_at),
            "ENDED": cell(task.ended_at),
            "NOTE": last_word(task),
        }
        for task in tasks
    ]
    return table(rows, width, may_go=("STARTED", "ENDED", "NOTE"), may_wrap=("TYPE", "NOTE"))


def task_lines(task: Task) -> list[str]:
    """Everything of one task, a line each."""
    named: dict[str, Any] = {
        "id": task.id,
        "type": task.type,
        "state": task.state,
        "reason": task.reason,
        "priority": f"{task.priority} (lane {task.lane})" if task.lane else task.priority,
        "tries": tries(task),
        "due": clock(task.due_at),
        "created": clock(task.created_at),
        "started": clock(task.started_at),
        "ended": clock(task.ended_at),
        "drift": seconds(task.drift_seconds),
        "progress": task.progress and f"{task.progress.fraction} {task.progress.note or ''}",
        "key": task.idempotency_key,
        "tags": dict(task.tags) or None,
        "dependencies": list(task.dependencies) or None,
        "payload": task.payload,
        "result": task.result,
    }
    lines = [f"{name:<13} {plain(value)}" for name, value in named.items() if value not in (None, "")]
    lines += notification_lines(task.notifications)
    for attempt in task.attempts:
        error = ": ".join(part for part in (attempt.error_type, attempt.error) if part)
        ended = clock(attempt.ended_at) or "…"
        lines.append(
            plain(f"attempt {attempt.number:<5} {clock(attempt.started_at)} → {ended} {attempt.outcome or ''} {error}")
        )
        if attempt.where and attempt.outcome != "SUCCESS":
            lines.append(plain(f"{'':<13} at {attempt.where}"))
        lines += [plain(f"{'':<13} {entry}") for entry in attempt.log]
    return lines


def notification_lines(found: Iterable[Notification]) -> list[str]:
    return [f"{'notify':<13} {told(each)}" for each in found]


def told(found: Notification) -> str:
    """How far it has come, on one line."""
    parts = [plain(found.to), found.state]
    if found.attempts:
        parts.append(f"tried {found.attempts} times, last {clock(found.last_attempt_at)}")
    if found.error and found.state != "DELIVERED":
        parts.append(plain(found.error))
    return "  ".join(parts)


def type_lines(found: TaskType) -> list[str]:
    """The type and its payload's fields, those that must be given first and with a star."""
    also = f"  (also {', '.join(found.other_names)})" if found.other_names else ""
    lines = [plain(found.name) + plain(also)]
    if found.fields is None:
        return [*lines, "  any payload"]
    width = max((len(one.name) for one in found.fields), default=0) + 1
    for one in found.fields:
        name = f"{one.name}*" if one.required else one.name
        lines.append(plain(f"  {name:<{width}}  {one.kind}" + (f"  {one.description}" if one.description else "")))
    return lines if found.fields else [*lines, "  no fields"]


def stats_lines(stats: Stats) -> list[str]:
    lines = [f"{state:<10} {count:>8}" for state, count in stats.states.items() if count]
    for name, counts in stats.types.items():
        shown = counts
        if isinstance(counts, Mapping):
            shown = "  ".join(f"{state} {count}" for state, count in counts.items() if count)
        lines.append(f"type {plain(name)}: {plain(shown)}")
    lines += [
        f"lane {plain(name)}: {lane.queued} queued, {lane.in_flight} in flight, {lane.delayed} delayed"
        for name, lane in stats.lanes.items()
    ]
    if stats.oldest_seconds is not None:
        lines.append(f"oldest waiting task: {stats.oldest_seconds:g} s")
    return lines or ["no tasks yet"]
