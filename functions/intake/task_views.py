"""Task → JSON, as /openapi.json describes it (functions/api/tasks/answers.py)."""

from __future__ import annotations

import json
from typing import Any

from functions.core.notifications.events import target_views
from functions.core.payloads.masking import masked
from functions.core.states import State
from functions.core.task import Attempt, Document, RunMembership, Task
from functions.core.times import iso_time_or_none as written
from functions.store.documents import Documents

SIZE_LIMIT = 6_000_000
"""Lambda answers at most 6 MB (6,291,556 bytes), the body quoted inside; the rest is for the headers."""

Json = dict[str, Any]


def full(task: Task, documents: Documents, *, now: int) -> Json:
    """With payload and result, from wherever they are kept. One that would not fit an answer is named in `omitted`."""
    view = base(task, now=now)
    view["payload"] = masked(task.mask, documents.read(task.tenant, task.id, task.payload))
    view["result"] = documents.read(task.tenant, task.id, task.result)
    for name in ("payload", "result"):
        if fits(view):
            break
        omit(view, name)
    return view


def submitted(task: Task, payload: Any, *, now: int) -> Json:
    """Of a task just made, whose payload is at hand."""
    view = base(task, now=now) | {"payload": masked(task.mask, payload)}
    if not fits(view):
        omit(view, "payload")
    return view


def brief(task: Task, *, now: int) -> Json:
    """One of a list: without logs and tracebacks of its attempts, and without documents that would cost a read each."""
    view = base(task, now=now)
    for attempt in view["attempts"]:
        del attempt["log"], attempt["traceback"]
    for name, kept, mask in (("payload", task.payload, task.mask), ("result", task.result, None)):
        if kept is not None and kept.ref is not None:
            omit(view, name)
        else:
            view[name] = masked(mask, inline(kept))
    return view


def slip(task: Task, *, now: int) -> Json:
    """One of a thousand in an answer: what tells it from the others, and nothing that may grow."""
    return {
        "id": task.id,
        "type": task.type,
        "state": task.state_at(now),
        "priority": task.priority,
        "lane": task.lane,
        "runAt": written(task.available_at),
        "createdAt": written(task.created_at),
        "attempt": task.attempt,
        "idempotencyKey": task.idempotency_key,
    }


def omit(view: Json, name: str) -> None:
    view.pop(name, None)
    view.setdefault("omitted", []).append(name)


def fits(view: Json) -> bool:
    body = dump(view)
    # Only a body this large could outgrow the limit by being quoted.
    return len(body) * 6 < SIZE_LIMIT or len(json.dumps(body, ensure_ascii=False).encode()) <= SIZE_LIMIT


def base(task: Task, *, now: int) -> Json:
    return {
        "id": task.id,
        "type": task.type,
        "state": task.state_at(now),
        "reason": task.reason,
        "priority": task.priority,
        "lane": task.lane,
        "payload": None,
        "result": None,
        "runAt": written(task.available_at),
        "createdAt": written(task.created_at),
        "startedAt": written(task.started_at),
        "endedAt": written(task.ended_at),
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
        "tags": task.tags,
        "generation": task.generation,
        "dependencies": list(task.dependencies),
        "notify": target_views(task.notify),
        "workflow": tie(task.membership) if task.membership else None,
        "progress": progress(task.progress),
        "redriven": [
            {"by": entry["by"], "at": written(entry["at"]), "attempts": entry["attempts"]} for entry in task.redrives
        ],
        "attempts": [attempt(entry) for entry in (*task.history, *latest(task))],
    }


def tie(member: RunMembership) -> Json:
    """What the record knows: the name of the workflow is in another one."""
    return {"id": member.run, "name": None, "node": member.name, "round": member.round}


def latest(task: Task) -> tuple[Attempt, ...]:
    """The attempt that is not history: it runs, or it was the one that succeeded."""
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


def attempt(entry: Attempt) -> Json:
    return {
        "number": entry.number,
        "startedAt": written(entry.started_at),
        "endedAt": written(entry.ended_at or None),
        "outcome": entry.outcome or None,
        "errorType": entry.error_type,
        "error": entry.error,
        "where": entry.where,
        "traceback": entry.traceback,
        "log": list(entry.log),
    }


def progress(said: Json | None) -> Json | None:
    return None if said is None else said | {"at": written(said["at"])}


def inline(kept: Document | None) -> Any:
    return None if kept is None or kept.inline is None else json.loads(kept.inline)


def dump(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
