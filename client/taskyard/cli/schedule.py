"""`taskyard schedule …`: create, list, show, change, pause, resume, run, delete."""

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from taskyard.api.notifications import targets_to_json
from taskyard.api.schedules.models import Schedule
from taskyard.api.tasks.models import Task
from taskyard.cli.each_id import for_each_id
from taskyard.cli.exit_codes import ExitCode
from taskyard.cli.text import printable, summary, time_text
from taskyard.cli.values import read_payload
from taskyard.cli.workflow import workflow_line
from taskyard.files import workflow_file

if TYPE_CHECKING:
    from taskyard.client import Taskyard


def schedule(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    match args.action:
        case "create":
            return _show(args, _create(yard, args))
        case "update":
            return _show(args, _update(yard, args))
        case "get":
            return _show(args, yard.schedules.get(args.id))
        case "pause":
            return _show(args, yard.schedules.pause(args.id))
        case "resume":
            return _show(args, yard.schedules.resume(args.id))
        case "list":
            return _list(yard, args)
        case "run":
            submitted = yard.schedules.run(args.id, args.key)
            line = summary(submitted) if isinstance(submitted, Task) else workflow_line(submitted)
            print(json.dumps(submitted.raw, ensure_ascii=False) if args.json else line)
            return ExitCode.OK
        case _:
            return for_each_id(args, partial(_delete, yard), refused_fields={"deleted": False})


def _create(yard: "Taskyard", args: argparse.Namespace) -> Schedule:
    paused = True if args.paused else None
    task, workflow = _templates(args)
    return yard.schedules.create(task, workflow=workflow, paused=paused, idempotency_key=args.key, **_options(args))


def _update(yard: "Taskyard", args: argparse.Namespace) -> Schedule:
    (task, workflow), options = _templates(args), _options(args)
    options |= {name.replace("-", "_"): None for name in args.clear or ()}
    if not task and not workflow and not options:
        raise ValueError("schedule update: nothing to change: give at least one option")
    if not task:
        return yard.schedules.update(args.id, workflow=workflow, **options)
    # The API replaces the whole template.
    return yard.schedules.update(args.id, task={**yard.schedules.get(args.id).task, **task}, **options)


def _templates(args: argparse.Namespace) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The fields of the task that are given, or the workflow of the file that is given. None where there is none.
    Raises ValueError for a file that is no workflow."""
    notify = targets_to_json(args.notify) if args.notify else None
    if args.workflow is not None:
        workflow = workflow_file.read(args.workflow)
        return None, workflow | {"notify": notify} if notify else workflow
    fields = {
        "type": args.type,
        "payload": read_payload(args.payload),
        "priority": args.priority,
        "tags": dict(args.tag) if args.tag else None,
        "notify": notify,
    }
    return {name: value for name, value in fields.items() if value is not None} or None, None


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the schedule that are given."""
    names = ("cron", "rate", "timezone", "name", "start_at", "end_at", "overlap", "catch_up")
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _delete(yard: "Taskyard", schedule_id: str) -> tuple[dict[str, Any], str]:
    yard.schedules.delete(schedule_id)
    return {"deleted": True}, f"{schedule_id}  deleted: its tasks stay"


def _list(yard: "Taskyard", args: argparse.Namespace) -> ExitCode:
    schedules = list(yard.schedules.list(args.limit))
    if args.json:
        print(json.dumps([schedule.raw for schedule in schedules], ensure_ascii=False))
    else:
        print("\n".join(map(schedule_line, schedules)) or "no schedules")
    return ExitCode.OK


def _show(args: argparse.Namespace, schedule: Schedule) -> ExitCode:
    print(json.dumps(schedule.raw, ensure_ascii=False) if args.json else "\n".join(schedule_lines(schedule)))
    return ExitCode.OK


def schedule_line(schedule: Schedule) -> str:
    if schedule.paused:
        when = "paused"
    else:
        when = f"next {time_text(schedule.next_times[0])}" if schedule.next_times else "over"
    workflow_name = schedule.workflow.get("name") or "workflow"
    submits = printable(f"workflow {workflow_name}" if schedule.workflow else schedule.task.get("type", ""))
    return f"{schedule.id}  {_times(schedule)}  {submits}  {when}  {printable(schedule.name or '')}".rstrip()


def schedule_lines(schedule: Schedule) -> list[str]:
    lines = [schedule_line(schedule)]
    lines += [f"  next: {time_text(at)}" for at in schedule.next_times]
    lines.append(f"  overlap {schedule.overlap}, catch up {schedule.catch_up}")
    if schedule.start_at or schedule.end_at:
        lines.append(
            f"  from {time_text(schedule.start_at) or 'now on'} until {time_text(schedule.end_at) or 'deleted'}"
        )
    lines.append(f"  {schedule.fired} fired, {schedule.skipped} skipped, {schedule.missed} missed")
    if schedule.last_task_id:
        lines.append(f"  last: task {schedule.last_task_id} for {time_text(schedule.last_scheduled_at)}")
    if schedule.last_workflow_id:
        lines.append(f"  last: workflow {schedule.last_workflow_id} for {time_text(schedule.last_scheduled_at)}")
    if schedule.declared_as:
        lines.append(f"  declared as {printable(schedule.declared_as)}: change it there, and deploy")
    if schedule.last_error:
        lines.append(f"  refused: {printable(schedule.last_error)}")
    return lines


def _times(schedule: Schedule) -> str:
    return f"every {schedule.rate}" if schedule.rate else f"{schedule.cron} {schedule.timezone}"
