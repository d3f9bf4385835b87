"""What is told when a task or a run has ended, to whom, and under which name. Pure.

A terminal event is one task, or run, that ended one time. Its name is made of what its record says, so whoever runs
the consequences again makes the same names again, and a task that is redriven makes new ones:

    <id>-<generation>-<ended at>-<target>     of a task: the generation is raised by every redrive
    <id>-<round>-<ended at>-<target>          of a run

`ended at` (epoch ms) tells apart two tasks that had one idempotency key one after the other. Step Functions knows a
name for 90 days, longer than a task is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from taskyard.tasks.urls import origin

from functions.core.states import State
from functions.core.task import Attempt, Task
from functions.core.times import iso_time_or_none
from functions.core.workflows.run import Run, RunState

Owner = Literal["task", "workflow"]

ATTEMPTS_IN_EVENT = 5
"""The last ones. The log is of the last one only: one event stays below 32 KB, an execution's input may have 256."""
DEFAULT_SECRET_NAME = "default"  # noqa: S105 - the name of one


class Delivery(StrEnum):
    """How far a notification has come. WAITING is never stored: the task, or the run, has not ended.

    PENDING is moved on by its execution in Step Functions, which tries for 24 hours; nothing is stored before the first
    attempt has failed. The others are final.
    """

    WAITING = "WAITING"
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    UNDELIVERABLE = "UNDELIVERABLE"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One event for one target: the input of one execution. `target`: index into `notify`; `to`: that entry of it.
    `result_ref`: a result that is kept as an item, read when it is told. `expires_at`: epoch seconds."""

    tenant: str
    owner: Owner
    id: str
    event: str
    target: int
    to: Mapping[str, Any]
    body: Mapping[str, Any]
    result_ref: str | None = None
    expires_at: int | None = None

    @property
    def name(self) -> str:
        """At most 72 of `[0-9a-z-]`; AWS takes 80. Also the id that receivers know a repetition by."""
        return f"{self.id}-{self.event}-{self.target}"

    def to_input(self) -> dict[str, Any]:
        """JSON-able. The field `owner` is `of` there: executions that an older deployment started have that name."""
        fields = asdict(self)
        return {"of": fields.pop("owner")} | {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_input(cls, given: Mapping[str, Any]) -> Notification:
        """The inverse of `to_input`."""
        fields = dict(given)
        return cls(owner=fields.pop("of"), **fields)


def task_notifications(task: Task) -> Iterator[Notification]:
    """What a settled task owes; nothing while it has not ended."""
    if not task.notify or not task.settled or task.ended_at is None:
        return
    event, body = f"{task.generation}-{task.ended_at}", task_event_body(task)
    ref = task.result.ref if task.result else None
    for at, to in targets_for(task.notify, success=task.state is State.SUCCESS):
        yield Notification(
            tenant=task.tenant,
            owner="task",
            id=task.id,
            event=event,
            target=at,
            to=to,
            body=body,
            result_ref=ref,
            expires_at=task.expires_at,
        )


def run_notifications(run: Run) -> Iterator[Notification]:
    if not run.notify or not run.ended or run.ended_at is None:
        return
    event, body = f"{run.round}-{run.ended_at}", run_event_body(run)
    for at, to in targets_for(run.notify, success=run.state is RunState.SUCCESS):
        yield Notification(
            tenant=run.tenant,
            owner="workflow",
            id=run.id,
            event=event,
            target=at,
            to=to,
            body=body,
            expires_at=run.expires_at,
        )


def targets_for(notify: tuple[dict[str, Any], ...], *, success: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every end that is not success is a failure to whoever waits for the result, a cancelled task's too."""
    for at, target in enumerate(notify):
        if target.get("on", "both") in ("both", "success" if success else "failure"):
            yield at, target


def display_target(to: Mapping[str, Any]) -> str:
    """A target as it may be shown to whoever may see the task: of a URL its origin."""
    if email := to.get("email"):
        return str(email)
    return origin(str(to["webhook"]))


EVENT_WORDS = {State.SUCCESS: "succeeded", RunState.SUCCESS: "succeeded"}


def event_type(of: Owner, state: State | RunState) -> str:
    """`task.succeeded`, `task.dead`, `workflow.timed_out`, …"""
    return f"{of}.{EVENT_WORDS.get(state, state.lower())}"


def task_event_body(task: Task) -> dict[str, Any]:
    """`result` stands in it when the record holds it; when it is an item it is put in later; one above that is named
    in `omitted`."""
    last = task.history[-1] if task.history and task.state is not State.SUCCESS else None
    data: dict[str, Any] = {
        "id": task.id,
        "type": task.type,
        "state": task.state,
        "reason": task.reason,
        "result": None,
        "error": None if last is None else {"type": last.error_type, "message": last.error, "where": last.where},
        "attempt": task.attempt,
        "maxAttempts": task.retry.max_attempts,
        "attempts": [attempt_view(entry) for entry in task.history[-ATTEMPTS_IN_EVENT:]],
        "log": list(task.log if last is None else last.log),
        "createdAt": iso_time_or_none(task.created_at),
        "runAt": iso_time_or_none(task.available_at),
        "startedAt": iso_time_or_none(task.started_at),
        "endedAt": iso_time_or_none(task.ended_at),
        "tags": task.tags,
    }
    if task.result is not None and task.result.inline is not None:
        data["result"] = json.loads(task.result.inline)
    return {"type": event_type("task", task.state), "timestamp": iso_time_or_none(task.ended_at), "data": data}


def attempt_view(entry: Attempt) -> dict[str, Any]:
    return {
        "number": entry.number,
        "startedAt": iso_time_or_none(entry.started_at),
        "endedAt": iso_time_or_none(entry.ended_at),
        "outcome": entry.outcome,
        "errorType": entry.error_type,
        "error": entry.error,
        "where": entry.where,
    }


def run_event_body(run: Run) -> dict[str, Any]:
    data = {
        "id": run.id,
        "name": run.name,
        "state": run.state,
        "reason": run.reason,
        "round": run.round,
        "nodes": run.nodes,
        "counts": run.counts,
        "createdAt": iso_time_or_none(run.created_at),
        "startedAt": iso_time_or_none(run.started_at),
        "endedAt": iso_time_or_none(run.ended_at),
    }
    return {"type": event_type("workflow", run.state), "timestamp": iso_time_or_none(run.ended_at), "data": data}


def target_views(notify: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """`notify` as it may be shown."""
    return [
        {"to": display_target(to), "on": to.get("on", "both")} | ({"secret": to["secret"]} if "secret" in to else {})
        for to in notify
    ]
