"""Notifications of the end of a task or a run: their names, targets and bodies.

A terminal event is one end of one task or run. A notification's name is made of fields of the record. A repetition of
the consequences makes the same names, and a redriven task makes new ones:

    <id>-<generation>-<ended at>-<target>     of a task: the generation is raised by every redrive
    <id>-<round>-<ended at>-<target>          of a run

`ended at` (epoch ms) distinguishes two tasks that had the same idempotency key, one after the other. Step Functions
remembers a name for 90 days, longer than the retention of a task.
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
"""The last attempts; the log is of the last one only. An event stays below 32 KB; AWS: an execution's input has at
most 256 KB."""
TEXT_BYTES = 900
"""AWS: a key has at most 2,048 bytes. One holds tenant and id, another one id and event."""
EPOCH_MAX = 10**12
DEFAULT_SECRET_NAME = "default"  # noqa: S105 - the name of one


class Delivery(StrEnum):
    """The state of a notification. WAITING is never stored: the task or the run has not ended.

    Its execution in Step Functions moves PENDING on, and tries for 24 hours. Nothing is stored before the first attempt
    has failed. The others are final.
    """

    WAITING = "WAITING"
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    UNDELIVERABLE = "UNDELIVERABLE"


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One event for one target: the input of one execution. `target`: the index into `notify`; `to`: that entry.
    `result_ref`: the reference of a result stored outside the record, which is read at delivery. `expires_at`: epoch
    seconds."""

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
        """At most 72 of `[0-9a-z-]`; AWS: 80. Also the id by which receivers recognize a repetition."""
        return f"{self.id}-{self.event}-{self.target}"

    def to_input(self) -> dict[str, Any]:
        """JSON-able. The field `owner` is `of` there: executions that an older deployment started have that name."""
        fields = asdict(self)
        return {"of": fields.pop("owner")} | {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def from_input(cls, given: Mapping[str, Any]) -> Notification:
        """The inverse of `to_input`. Raises ValueError for an input that it did not make: the state of its notification
        could not be stored, and the machine would try for a day, then fail to give up."""
        try:
            fields = dict(given)
            made = cls(owner=fields.pop("of"), **fields)
            made._require_fields()
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not a notification: {type(error).__name__}: {error}") from error
        return made

    def _require_fields(self) -> None:
        """Raises ValueError, TypeError, KeyError, AttributeError."""
        texts = (self.tenant, self.id, self.event, *([] if self.result_ref is None else [self.result_ref]))
        if not all(isinstance(text, str) and 1 <= len(text.encode()) <= TEXT_BYTES for text in texts):
            raise ValueError("tenant, id, event and result_ref are texts")
        if self.owner not in ("task", "workflow") or type(self.target) is not int:
            raise ValueError("of is task or workflow, target an integer")
        if self.expires_at is not None and (type(self.expires_at) is not int or abs(self.expires_at) > EPOCH_MAX):
            raise ValueError("expires_at is a time")
        address = self.to["email" if "email" in self.to else "webhook"]
        if not isinstance(address, str) or not isinstance(self.to.get("secret", ""), str):
            raise ValueError("to has an address, and the name of a secret as text")
        display_target(self.to).encode()
        if not isinstance(self.body, dict) or not isinstance(self.body["data"], dict):
            raise ValueError("body has data")


def task_notifications(task: Task) -> Iterator[Notification]:
    """The notifications of a settled task; none while it has not ended."""
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
    """Index and target of those that this end concerns. Every end but success is a failure, cancellation too."""
    for at, target in enumerate(notify):
        if target.get("on", "both") in ("both", "success" if success else "failure"):
            yield at, target


def display_target(to: Mapping[str, Any]) -> str:
    """A target as views show it: a mail address, or the origin of a URL."""
    if email := to.get("email"):
        return str(email)
    return origin(str(to["webhook"]))


EVENT_WORDS = {State.SUCCESS: "succeeded", RunState.SUCCESS: "succeeded"}


def event_type(of: Owner, state: State | RunState) -> str:
    """`task.succeeded`, `task.dead`, `workflow.timed_out`, …"""
    return f"{of}.{EVENT_WORDS.get(state, state.lower())}"


def task_event_body(task: Task) -> dict[str, Any]:
    """`result`: from the record. A result in an item of its own is added at delivery; a larger one is named in
    `omitted`."""
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
    """`notify` as views show it."""
    return [
        {"to": display_target(to), "on": to.get("on", "both")} | ({"secret": to["secret"]} if "secret" in to else {})
        for to in notify
    ]
