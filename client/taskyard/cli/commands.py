"""One function per command: calls the API, prints the answer, returns the exit code."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taskyard.api.tasks.models import Task
from taskyard.cli.audit import audit
from taskyard.cli.dead_letters import cancel_many, dead_letters, redrive, retry, submit_batch, undeliverable
from taskyard.cli.each_id import for_each_id
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.schedule import schedule
from taskyard.cli.text import console_for, rough_duration, stats_lines, summary, task_lines, tasks_table, type_lines
from taskyard.cli.values import read_payload
from taskyard.cli.watch import watch
from taskyard.cli.workflow import workflow
from taskyard.files.json_and_yaml import read_bytes

if TYPE_CHECKING:
    from taskyard.client import Taskyard

Command = Callable[["Taskyard", argparse.Namespace], ExitCode]


def submit(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    if args.body is not None:
        task = yard.submit_body(read_bytes(args.body), args.key)
    else:
        task = yard.submit(
            args.type,
            read_payload(args.payload),
            run_at=args.run_at,
            delay=args.delay,
            priority=args.priority,
            max_retries=args.max_retries,
            retry=args.retry,
            timeout=args.timeout,
            idempotency_key=args.key,
            tags=dict(args.tag) if args.tag else None,
            dependencies=args.after,
            notify=args.notify,
        )
        warn_if_past(args.run_at)
    if not args.wait:
        _show(args, task, [summary(task)])
        return ExitCode.OK
    if not args.json:
        print(summary(task), flush=True)
    task = yard.wait(task.id)
    _show(args, task, task_lines(task))
    return ExitCode.OK if task.succeeded else ExitCode.TASK_FAILED


def get(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    task = yard.get(args.id)
    _show(args, task, task_lines(task))
    return ExitCode.OK


def list_tasks(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    tasks = list(yard.list(state=args.state, type=args.type, limit=args.limit))
    if args.json:
        _print_json([task.raw for task in tasks])
    elif tasks:
        console = console_for()
        console.print(tasks_table(tasks, console.width))
    else:
        print("no tasks")
    return ExitCode.OK


def cancel(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    if not args.ids or args.dry_run or args.reason:
        return cancel_many(yard, args)

    def cancel_one(task_id: str) -> tuple[dict[str, Any], str]:
        yard.cancel(task_id)
        return {"cancelled": True}, f"{task_id}  CANCELLED"

    return for_each_id(args, cancel_one, refused_fields={"cancelled": False})


def reschedule(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    task = yard.reschedule(args.id, args.run_at, delay=args.delay)
    warn_if_past(args.run_at)
    _show(args, task, [summary(task)])
    return ExitCode.OK


def warn_if_past(run_at: datetime | None) -> None:
    """A run time in the past means now. The warning shows a wrong day or time zone."""
    seconds_ago = 0.0 if run_at is None else (datetime.now(UTC) - run_at).total_seconds()
    if seconds_ago >= 1:
        print(f"taskyard: runs at once: the run time is {rough_duration(seconds_ago)} ago", file=sys.stderr)


def types(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    task_types = yard.types()
    if args.json:
        _print_json(
            [{"name": each.name, "otherNames": list(each.other_names), "payload": each.schema} for each in task_types]
        )
    else:
        print("\n".join(line for task_type in task_types for line in type_lines(task_type)) or "no task types")
    return ExitCode.OK


def stats(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    stats = yard.stats()
    if args.json:
        _print_json(stats.raw)
    else:
        print("\n".join(stats_lines(stats)))
    return ExitCode.OK


COMMANDS: dict[str, Command] = {
    "submit": submit,
    "get": get,
    "list": list_tasks,
    "cancel": cancel,
    "submit-batch": submit_batch,
    "dead-letters": dead_letters,
    "retry": retry,
    "redrive": redrive,
    "undeliverable": undeliverable,
    "reschedule": reschedule,
    "audit": audit,
    "stats": stats,
    "types": types,
    "watch": watch,
    "workflow": workflow,
    "schedule": schedule,
}


def _show(args: argparse.Namespace, task: Task, lines: list[str]) -> None:
    if args.json:
        _print_json(task.raw)
    else:
        print("\n".join(lines))


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False))
