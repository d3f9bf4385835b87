"""The commands for many tasks at once and for dead letters."""

import argparse
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from taskyard.api.dead_letters import Redrive
from taskyard.api.tasks.batch import Outcome
from taskyard.cli.confirmation import confirm
from taskyard.cli.each_id import for_each_id
from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.cli.text import (
    NARROW_WIDTH,
    console_for,
    notification_line,
    printable,
    status_note,
    summary,
    tasks_table,
    time_text,
)
from taskyard.errors import ProblemError, TaskyardError
from taskyard.files.json_and_yaml import parse_json, read_bytes
from taskyard.times import iso_time

if TYPE_CHECKING:
    from taskyard.client import Taskyard


def submit_batch(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    """The exit code is that of the first task that was not accepted."""
    outcomes = yard.submit_batch(read_tasks(args.file))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if args.json:
        _print_json([_outcome_document(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            if outcome.task is not None:
                print(summary(outcome.task) + ("" if outcome.created else "  (submitted before)"))
        for outcome in failed:
            print(f"task {outcome.index + 1}: {outcome.error}", file=sys.stderr)
        counts = Counter("refused" if outcome.error else "new" if outcome.created else "old" for outcome in outcomes)
        print(f"{counts['new']} submitted, {counts['old']} submitted before, {counts['refused']} not accepted")
    return exit_code_of(failed[0].error) if failed and failed[0].error else ExitCode.OK


def read_tasks(source: str) -> list[dict[str, Any]]:
    """A JSON array, `{"tasks": [...]}`, or one task per line. ValueError for any other content."""
    content = read_bytes(source)
    try:
        document = parse_json(content)
    except ValueError as error:
        document = _tasks_by_line(source, content, error)
    if isinstance(document, dict):
        document = document["tasks"] if isinstance(document.get("tasks"), list) else [document]
    if not isinstance(document, list) or not document or not all(isinstance(task, dict) for task in document):
        raise ValueError(f"{source} contains no tasks: give a JSON array of objects, or one object per line")
    return document


def _tasks_by_line(source: str, content: bytes, document_error: ValueError) -> list[Any]:
    """document_error: why the content is not one JSON document."""
    tasks, lines = [], content.splitlines()
    for at, line in enumerate(lines, 1):
        if line.strip():
            try:
                tasks.append(parse_json(line))
            except ValueError as error:
                # When the first line is not a document, the file was not meant as one task per line.
                reason = f"line {at}: {error}" if tasks else document_error
                raise ValueError(f"{source} is neither JSON nor one JSON document per line: {reason}") from error
    return tasks


def dead_letters(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    tasks = list(yard.dead_letters(**_filter_of(args), limit=args.limit))
    if args.json:
        _print_json([task.raw for task in tasks])
    elif tasks:
        console = console_for()
        console.print(tasks_table(tasks, console.width))
        if console.width < NARROW_WIDTH:
            for task in tasks:
                print(f"{task.id}  {status_note(task)}")
    else:
        print("no dead letters")
    return ExitCode.OK


def retry(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    def retry_one(task_id: str) -> tuple[dict[str, Any], str]:
        task = yard.retry(task_id, args.attempts)
        return {"task": task.raw}, summary(task)

    return for_each_id(args, retry_one)


def redrive(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    filter = _filter_of(args)
    if not args.dry_run and not args.yes and sys.stdin.isatty():
        preview = yard.redrive(**filter, dry_run=True)
        count = preview.matched - preview.skipped
        if not count:
            print("no dead letters", file=sys.stderr)
            return ExitCode.OK
        rate = "10" if args.rate is None else f"{args.rate:g}"
        if not confirm(f"Run {count} dead letters again, {rate} per second?"):
            print("nothing was run again", file=sys.stderr)
            return ExitCode.OK
    total = Redrive(0, 0, 0, args.dry_run)
    pages = yard.redrive_pages(**filter, rate=args.rate, attempts=args.attempts, dry_run=args.dry_run)
    for page in pages:
        total += page
        if page.cursor is not None and not args.json:
            print(f"{_redrive_summary(total)} …", file=sys.stderr, flush=True)
    if args.json:
        last = None if total.last_due is None else iso_time(total.last_due)
        counts = {"matched": total.matched, "redriven": total.redriven, "skipped": total.skipped}
        _print_json(counts | {"dryRun": total.dry_run, "lastDue": last})
    else:
        due = f", the last is due {time_text(total.last_due)}" if total.last_due and total.matched else ""
        print(_redrive_summary(total) + due if total.matched else "no dead letters")
    return ExitCode.OK


def cancel_many(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    """By filter, as a dry run, or with a reason. With ids the exit code is 4 when one is refused."""
    filter = {"type": args.type, "state": args.state, "tags": dict(args.tag) if args.tag else None}
    if not args.ids and not args.dry_run and not args.yes and sys.stdin.isatty():
        preview = yard.cancel_many(None, dry_run=True, **filter)
        if not preview.cancelled:
            print("nothing to cancel", file=sys.stderr)
            return ExitCode.OK
        if not confirm(f"Cancel {len(preview.cancelled)} tasks?"):
            print("nothing was cancelled", file=sys.stderr)
            return ExitCode.OK
    result = yard.cancel_many(args.ids or None, dry_run=args.dry_run, reason=args.reason, **filter)
    if args.json:
        refused = [{"id": task_id, "reason": reason} for task_id, reason in result.refused.items()]
        _print_json(
            {"matched": result.matched, "cancelled": result.cancelled, "refused": refused, "dryRun": result.dry_run}
        )
    else:
        for task_id in result.cancelled:
            print(f"{task_id}  {'would be cancelled' if result.dry_run else 'CANCELLED'}")
        for task_id, reason in result.refused.items():
            print(printable(f"{task_id}  {reason}"), file=sys.stderr)
        if not result.matched:
            print("nothing to cancel")
            return ExitCode.OK
        print(
            f"{len(result.cancelled)} {'to cancel' if result.dry_run else 'cancelled'}, {len(result.refused)} refused"
        )
    return ExitCode.REFUSED if args.ids and result.refused else ExitCode.OK


def undeliverable(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    notifications = list(yard.undeliverable(limit=args.limit))
    if args.json:
        _print_json([each.raw for each in notifications])
    else:
        print(
            "\n".join(f"{each.of} {each.id}  {notification_line(each)}" for each in notifications)
            or "nothing undeliverable"
        )
    return ExitCode.OK


def _filter_of(args: argparse.Namespace) -> dict[str, Any]:
    return {"type": args.type, "error_type": args.error_type, "since": args.since, "until": args.until}


def _redrive_summary(total: Redrive) -> str:
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    if total.dry_run:
        return f"{total.matched - total.skipped} would be run again{skipped}"
    return f"{total.redriven} are run again{skipped}"


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    if outcome.task is not None:
        return {"index": outcome.index, "created": outcome.created, "task": outcome.task.raw}
    return {"index": outcome.index, "sent": outcome.sent, "problem": _problem_document(outcome.error)}


def _problem_document(error: TaskyardError | None) -> dict[str, Any]:
    return error.fields if isinstance(error, ProblemError) else {"title": type(error).__name__, "detail": str(error)}


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False))
