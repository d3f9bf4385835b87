"""One function per command: asks the API, prints the answer, says the exit code."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from taskyard.cli.bulk import several
from taskyard.cli.dead_letters import cancel_many, dead_letters, redrive, retry, submit_batch, undeliverable
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.schedule import schedule
from taskyard.cli.text import console_for, roughly, stats_lines, summary, task_lines, tasks_table, type_lines
from taskyard.cli.values import read_payload
from taskyard.cli.watch import watch
from taskyard.cli.workflow import workflow
from taskyard.input_files import read_bytes
from taskyard.model import Task

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
        say_past(args.run_at)
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

    def one(task_id: str) -> tuple[dict[str, Any], str]:
        yard.cancel(task_id)
        return {"cancelled": True}, f"{task_id}  CANCELLED"

    return several(args, one, refused={"cancelled": False})


def reschedule(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    task = yard.reschedule(args.id, args.run_at, delay=args.delay)
    say_past(args.run_at)
    _show(args, task, [summary(task)])
    return ExitCode.OK


def say_past(run_at: datetime | None) -> None:
    """A run time in the past is now; whoever mistook a day or a time zone learns of it."""
    late = 0.0 if run_at is None else (datetime.now(UTC) - run_at).total_seconds()
    if late >= 1:
        print(f"taskyard: runs at once: the run time is {roughly(late)} ago", file=sys.stderr)


def types(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    found = yard.types()
    if args.json:
        _print_json([{"name": one.name, "otherNames": list(one.other_names), "payload": one.schema} for one in found])
    else:
        print("\n".join(line for one in found for line in type_lines(one)) or "no task types")
    return ExitCode.OK


def stats(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    found = yard.stats()
    if args.json:
        _print_json(found.raw)
    else:
        print("\n".join(stats_lines(found)))
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
