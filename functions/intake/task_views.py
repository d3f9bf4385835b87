"""Task → JSON, in the shapes of task_schemas.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from functions.core.children import parent_of_key
from functions.core.payloads.masking import mask_value
from functions.core.pools import Routing
from functions.core.states import State
from functions.core.task import Attempt, Document, RunMembership, Task
from functions.core.times import iso_time, iso_time_or_none
from functions.store.documents import Documents

if TYPE_CHECKING:
    from functions.intake import task_schemas as schemas

ANSWER_LIMIT_BYTES = 6_000_000
"""Lambda answers at most 6 MB (6,291,556 bytes), with the body quoted inside; the rest is for the headers."""


def detail(task: Task, documents: Documents, routing: Routing, *, now: int) -> schemas.Task:
    """With payload and result, from wherever they are stored. One that does not fit the answer is named in
    `omitted`."""
    view = view_of_record(task, routing, now=now)
    view["payload"] = mask_value(task.mask, documents.read(task.tenant, task.id, task.payload))
    view["result"] = documents.read(task.tenant, task.id, task.result)
    if not fits_answer(view):
        omit_field(view, "payload")
    if not fits_answer(view):
        omit_field(view, "result")
    return view


def submitted_detail(task: Task, payload: Any, routing: Routing, *, now: int) -> schemas.Task:
    """Of a task that was just created. `payload`: the request has it, so no document is read."""
    view = view_of_record(task, routing, now=now)
    view["payload"] = mask_value(task.mask, payload)
    if not fits_answer(view):
        omit_field(view, "payload")
    return view


def list_entry(task: Task, routing: Routing, *, now: int) -> schemas.Task:
    """Without the logs and tracebacks of attempts, and without a payload or result that would cost a read."""
    view = view_of_record(task, routing, now=now)
    for attempt in view["attempts"]:
        del attempt["log"], attempt["traceback"]
    if task.payload.ref is not None:
        omit_field(view, "payload")
    else:
        view["payload"] = mask_value(task.mask, inline_value(task.payload))
    if task.result is not None and task.result.ref is not None:
        omit_field(view, "result")
    else:
        view["result"] = inline_value(task.result)
    return view


def summary(task: Task, routing: Routing, *, now: int) -> schemas.BatchTask:
    """One of a thousand in an answer: the fields that identify it, of bounded size."""
    return {
        "id": task.id,
        "type": task.type,
        "state": task.state_at(now),
        "priority": task.priority,
        "lane": routing.lane_of_task(task),
        "runAt": iso_time(task.available_at),
        "createdAt": iso_time(task.created_at),
        "attempt": task.attempt,
        "idempotencyKey": task.idempotency_key,
    }


def omit_field(view: schemas.Task, name: schemas.Omissible) -> None:
    view.pop(name, None)
    view.setdefault("omitted", []).append(name)


def fits_answer(view: Any) -> bool:
    body = to_json(view)
    # Quoting makes a body at most six times as long.
    return (
        len(body) * 6 < ANSWER_LIMIT_BYTES or len(json.dumps(body, ensure_ascii=False).encode()) <= ANSWER_LIMIT_BYTES
    )


def view_of_record(task: Task, routing: Routing, *, now: int) -> schemas.Task:
    """Everything but payload and result, which are None."""
    return {
        "id": task.id,
        "type": task.type,
        "state": task.state_at(now),
        "reason": task.reason,
        "priority": task.priority,
        "lane": routing.lane_of_task(task),
        "payload": None,
        "result": None,
        "runAt": iso_time(task.available_at),
        "createdAt": iso_time(task.created_at),
        "startedAt": iso_time_or_none(task.started_at),
        "endedAt": iso_time_or_none(task.ended_at),
        "attempt": task.attempt,
        "maxAttempts": task.retry.max_attempts,
        "maxRetries": task.retry.max_attempts - 1,
        "retry": {
            "strategy": task.retry.strategy,
            "baseSeconds": task.retry.base_seconds,
            "maxSeconds": task.retry.max_seconds,
            "jitter": task.retry.jitter,
        },
        "timeoutSeconds": task.timeout_seconds,
        "idempotencyKey": task.idempotency_key,
        "submittedBy": submitted_by(task),
        "tags": task.tags,
        "generation": task.generation,
        "dependencies": list(task.dependencies),
        "notify": notify_targets(task.notify),
        "workflow": workflow_reference(task.membership) if task.membership else None,
        "progress": progress_view(task.progress),
        "redriven": [
            {"by": entry["by"], "at": iso_time(entry["at"]), "attempts": entry["attempts"]} for entry in task.redrives
        ],
        "attempts": [attempt_view(attempt) for attempt in (*task.history, *latest_attempt(task))],
    }


def submitted_by(task: Task) -> schemas.SubmittedBy | None:
    parent = parent_of_key(task.idempotency_key)
    return None if parent is None else {"task": parent}


def notify_targets(notify: tuple[dict[str, Any], ...]) -> list[schemas.NotifyTargetView]:
    if not notify:
        return []
    from functions.core.notifications.events import target_views

    return cast("list[schemas.NotifyTargetView]", target_views(notify))


def workflow_reference(member: RunMembership, name: str | None = None) -> schemas.WorkflowReference:
    """`name`: of the workflow, which the record of a node does not hold."""
    return {"id": member.run, "name": name, "node": member.name, "round": member.round}


def latest_attempt(task: Task) -> tuple[Attempt, ...]:
    """The attempt that is not in the history: it runs, or it succeeded. () for none."""
    if task.state not in (State.RUNNING, State.SUCCESS) or task.started_at is None:
        return ()
    return (
        Attempt(
            number=task.attempt,
            started_at=task.started_at,
            ended_at=task.ended_at or 0,
            outcome=task.state if task.state is State.SUCCESS else "",
            log=task.log,
        ),
    )


def attempt_view(attempt: Attempt) -> schemas.Attempt:
    return {
        "number": attempt.number,
        "startedAt": iso_time(attempt.started_at),
        "endedAt": iso_time_or_none(attempt.ended_at or None),
        "outcome": attempt.outcome or None,
        "errorType": attempt.error_type,
        "error": attempt.error,
        "where": attempt.where,
        "traceback": attempt.traceback,
        "log": list(attempt.log),
    }


def progress_view(progress: dict[str, Any] | None) -> schemas.Progress | None:
    if progress is None:
        return None
    return {"fraction": progress["fraction"], "note": progress["note"], "at": iso_time(progress["at"])}


def inline_value(document: Document | None) -> Any:
    """None for a document that is stored elsewhere."""
    return None if document is None or document.inline is None else json.loads(document.inline)


def to_json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
