"""`taskyard schedule …`: create, list, look, change, pause, resume, run, delete."""

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from taskyard.cli.bulk import several
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.text import clock, plain, summary
from taskyard.cli.values import read_payload
from taskyard.notify import written
from taskyard.schedule_model import Schedule

if TYPE_CHECKING:
    from taskyard.client import Taskyard


def schedule(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    match args.action:
        case "create":
            return _show(args, _created(yard, args))
        case "update":
            return _show(args, _updated(yard, args))
        case "get":
            return _show(args, yard.schedules.get(args.id))
        case "pause":
            return _show(args, yard.schedules.pause(args.id))
        case "resume":
            return _show(args, yard.schedules.resume(args.id))
        case "list":
            return _list(yard, args)
        case "run":
            task = yard.schedules.run(args.id, args.key)
            print(json.dumps(task.raw, ensure_ascii=False) if args.json else summary(task))
            return ExitCode.OK
        case _:
            return several(args, partial(_deleted, yard), refused={"deleted": False})


def _created(yard: "Taskyard", args: argparse.Namespace) -> Schedule:
    paused = True if args.paused else None
    return yard.schedules.create(_template(args), paused=paused, idempotency_key=args.key, **_options(args))


def _updated(yard: "Taskyard", args: argparse.Namespace) -> Schedule:
    task, options = _template(args), _options(args)
    options |= {name.replace("-", "_"): None for name in args.clear or ()}
    if not task and not options:
        raise ValueError("schedule update: nothing to change: give at least one option")
    if not task:
        return yard.schedules.update(args.id, **options)
    # The API takes a template as a whole.
    return yard.schedules.update(args.id, task={**yard.schedules.get(args.id).task, **task}, **options)


def _template(args: argparse.Namespace) -> dict[str, Any]:
    """What is given of the task."""
    named = {
        "type": args.type,
        "payload": read_payload(args.payload),
        "priority": args.priority,
        "tags": dict(args.tag) if args.tag else None,
        "notify": written(args.notify) if args.notify else None,
    }
    return {name: value for name, value in named.items() if value is not None}


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """What is given of the schedule."""
    names = ("cron", "rate", "timezone", "name", "start_at", "end_at", "overlap", "catch_up")
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _deleted(yard: "Taskyard", schedule_id: str) -> tuple[dict[str, Any], str]:
    yard.schedules.delete(schedule_id)
    return {"deleted": True}, f"{schedule_id}  deleted: its tasks stay"


def _list(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    found = list(yard.schedules.list(args.limit))
    if args.json:
        print(json.dumps([one.raw for one in found], ensure_ascii=False))
    else:
        print("\n".join(map(line, found)) or "no schedules")
    return ExitCode.OK


def _show(args: argparse.Namespace, found: Schedule) -> ExitCode:
    print(json.dumps(found.raw, ensure_ascii=False) if args.json else "\n".join(lines(found)))
    return ExitCode.OK


def line(found: Schedule) -> str:
    if found.paused:
        when = "paused"
    else:
        when = f"next {clock(found.next_times[0])}" if found.next_times else "over"
    return (
        f"{found.id}  {_times(found)}  {plain(found.task.get('type', ''))}  {when}  {plain(found.name or '')}".rstrip()
    )


def lines(found: Schedule) -> list[str]:
    shown = [line(found)]
    shown += [f"  next: {clock(at)}" for at in found.next_times]
    shown.append(f"  overlap {found.overlap}, catch up {found.catch_up}")
    if found.start_at or found.end_at:
        shown.append(f"  from {clock(found.start_at) or 'now on'} until {clock(found.end_at) or 'deleted'}")
    shown.append(f"  {found.fired} fired, {found.skipped} skipped, {found.missed} missed")
    if found.last_task_id:
        shown.append(f"  last: task {found.last_task_id} for {clock(found.last_scheduled_at)}")
    if found.last_error:
        shown.append(f"  refused: {plain(found.last_error)}")
    return shown


def _times(found: Schedule) -> str:
    return f"every {found.rate}" if found.rate else f"{found.cron} {found.timezone}"
