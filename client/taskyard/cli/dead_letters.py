"""The commands of many tasks at once and of the failure desk."""

import argparse
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from taskyard.cli.bulk import several
from taskyard.cli.confirming import confirmed
from taskyard.cli.exit_codes import ExitCode, exit_code_of
from taskyard.cli.text import NARROW, clock, console_for, last_word, plain, summary, tasks_table, told
from taskyard.errors import ProblemError, TaskyardError
from taskyard.input_files import parse_json, read_bytes
from taskyard.model import Outcome, Redrive
from taskyard.times import to_wire

if TYPE_CHECKING:
    from taskyard.client import Taskyard


def submit_batch(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    """The exit code is that of the first that was not accepted."""
    outcomes = yard.submit_batch(read_tasks(args.file))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if args.json:
        _print_json([_outcome(outcome) for outcome in outcomes])
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
    """A JSON array, `{"tasks": [...]}`, or one task a line. ValueError when it is none of these."""
    content = read_bytes(source)
    try:
        document = parse_json(content)
    except ValueError as error:
        document = _tasks_by_line(source, content, error)
    if isinstance(document, dict):
        document = document["tasks"] if isinstance(document.get("tasks"), list) else [document]
    if not isinstance(document, list) or not document or not all(isinstance(task, dict) for task in document):
        raise ValueError(f"{source} holds no tasks: give a JSON array of objects, or an object a line")
    return document


def _tasks_by_line(source: str, content: bytes, as_one: ValueError) -> list[Any]:
    """`as_one`: what is wrong with it as one document."""
    tasks, lines = [], content.splitlines()
    for at, line in enumerate(lines, 1):
        if line.strip():
            try:
                tasks.append(parse_json(line))
            except ValueError as error:
                # The first line alone is no document either: it never was one a line.
                said = f"line {at}: {error}" if tasks else as_one
                raise ValueError(f"{source} is neither JSON nor a JSON document a line: {said}") from error
    return tasks


def dead_letters(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    tasks = list(yard.dead_letters(**_filter(args), limit=args.limit))
    if args.json:
        _print_json([task.raw for task in tasks])
    elif tasks:
        console = console_for()
        console.print(tasks_table(tasks, console.width))
        if console.width < NARROW:
            for task in tasks:
                print(f"{task.id}  {last_word(task)}")
    else:
        print("no dead letters")
    return ExitCode.OK


def retry(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    def one(task_id: str) -> tuple[dict[str, Any], str]:
        task = yard.retry(task_id, args.attempts)
        return {"task": task.raw}, summary(task)

    return several(args, one)


def redrive(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    wanted = _filter(args)
    if not args.dry_run and not args.yes and sys.stdin.isatty():
        found = yard.redrive(**wanted, dry_run=True)
        count = found.matched - found.skipped
        if not count:
            print("no dead letters", file=sys.stderr)
            return ExitCode.OK
        rate = "10" if args.rate is None else f"{args.rate:g}"
        if not confirmed(f"Run {count} dead letters again, {rate} a second?"):
            print("nothing was run again", file=sys.stderr)
            return ExitCode.OK
    total = Redrive(0, 0, 0, args.dry_run)
    pages = yard.redrive_pages(**wanted, rate=args.rate, attempts=args.attempts, dry_run=args.dry_run)
    for page in pages:
        total += page
        if page.cursor is not None and not args.json:
            print(f"{_redriven(total)} …", file=sys.stderr, flush=True)
    if args.json:
        last = None if total.last_due is None else to_wire(total.last_due)
        counts = {"matched": total.matched, "redriven": total.redriven, "skipped": total.skipped}
        _print_json(counts | {"dryRun": total.dry_run, "lastDue": last})
    else:
        due = f", the last is due {clock(total.last_due)}" if total.last_due and total.matched else ""
        print(_redriven(total) + due if total.matched else "no dead letters")
    return ExitCode.OK


def cancel_many(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    """By filter, or dry, or with a reason. Of ids that were named, one that is refused is exit code 4."""
    wanted = {"type": args.type, "state": args.state, "tags": dict(args.tag) if args.tag else None}
    if not args.ids and not args.dry_run and not args.yes and sys.stdin.isatty():
        found = yard.cancel_many(None, dry_run=True, **wanted)
        if not found.cancelled:
            print("nothing to cancel", file=sys.stderr)
            return ExitCode.OK
        if not confirmed(f"Cancel {len(found.cancelled)} tasks?"):
            print("nothing was cancelled", file=sys.stderr)
            return ExitCode.OK
    done = yard.cancel_many(args.ids or None, dry_run=args.dry_run, reason=args.reason, **wanted)
    if args.json:
        refused = [{"id": task_id, "reason": reason} for task_id, reason in done.refused.items()]
        _print_json({"matched": done.matched, "cancelled": done.cancelled, "refused": refused, "dryRun": done.dry_run})
    else:
        for task_id in done.cancelled:
            print(f"{task_id}  {'would be cancelled' if done.dry_run else 'CANCELLED'}")
        for task_id, reason in done.refused.items():
            print(plain(f"{task_id}  {reason}"), file=sys.stderr)
        if not done.matched:
            print("nothing to cancel")
            return ExitCode.OK
        print(f"{len(done.cancelled)} {'to cancel' if done.dry_run else 'cancelled'}, {len(done.refused)} refused")
    return ExitCode.REFUSED if args.ids and done.refused else ExitCode.OK


def undeliverable(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    found = list(yard.undeliverable(limit=args.limit))
    if args.json:
        _print_json([each.raw for each in found])
    else:
        print("\n".join(f"{each.of} {each.id}  {told(each)}" for each in found) or "nothing undeliverable")
    return ExitCode.OK


def _filter(args: argparse.Namespace) -> dict[str, Any]:
    return {"type": args.type, "error_type": args.error_type, "since": args.since, "until": args.until}


def _redriven(total: Redrive) -> str:
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    if total.dry_run:
        return f"{total.matched - total.skipped} would be run again{skipped}"
    return f"{total.redriven} are run again{skipped}"


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if outcome.task is not None:
        return {"index": outcome.index, "created": outcome.created, "task": outcome.task.raw}
    return {"index": outcome.index, "sent": outcome.sent, "problem": _problem(outcome.error)}


def _problem(error: TaskyardError | None) -> dict[str, Any]:
    return error.fields if isinstance(error, ProblemError) else {"title": type(error).__name__, "detail": str(error)}


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False))
