"""`taskyard schedule …`: create, list, look, pause, resume, run, delete."""

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
    task: dict[str, Any] = {"type": args.type}
    if (payload := read_payload(args.payload)) is not None:
        task["payload"] = payload
    if args.priority is not None:
        task["priority"] = args.priority
    if args.tag:
        task["tags"] = dict(args.tag)
    if args.notify:
        task["notify"] = written(args.notify)
    return yard.schedules.create(
        task,
        cron=args.cron,
        rate=args.rate,
        timezone=args.timezone,
        name=args.name,
        start_at=args.start_at,
        end_at=args.end_at,
        paused=True if args.paused else None,
        overlap=args.overlap,
        catch_up=args.catch_up,
        idempotency_key=args.key,
    )


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
    shown += [f"  next: {clock(at)} UTC" for at in found.next_times]
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
