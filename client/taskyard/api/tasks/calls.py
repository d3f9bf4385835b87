"""Calls of /tasks for one task, and their options."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, TypedDict, Unpack

from taskyard.api.notifications import Targets, targets_to_json
from taskyard.api.request_fields import FieldMap, same_value, to_fields, without_none
from taskyard.api.requests import encode, path_of, post, post_body, query_of
from taskyard.api.tasks.models import Page, Retry, Task, TaskSpec
from taskyard.times import in_seconds, iso_time
from taskyard.transport.call import JSON_HEADERS, Call, Request
from taskyard.transport.idempotency_keys import checked_key, key_header


class Unset(Enum):
    """The default of arguments for which None is a value, such as the payload of `update`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class TaskOptions(TypedDict, total=False):
    """Options of a submit.

    run_at: aware datetime, or delay: seconds or timedelta. priority: 0 to 9, or high, normal, low; it chooses the lane:
    7-9 high, 3-6 normal, 0-2 low. Tasks of one lane have no order.
    max_retries: attempts after the first. timeout: of one attempt. dependencies: ids of tasks that must succeed first.
    notify: targets that are notified when the task has ended.
    """

    run_at: datetime | None
    delay: float | timedelta | None
    priority: int | str | None
    max_retries: int | None
    retry: Retry | Mapping[str, Any] | None
    timeout: float | timedelta | None
    tags: Mapping[str, str] | None
    dependencies: Sequence[str] | None
    notify: Targets | None


TASK_FIELDS: FieldMap = {
    "type": ("type", same_value),
    "payload": ("payload", same_value),
    "run_at": ("runAt", iso_time),
    "delay": ("delaySeconds", in_seconds),
    "priority": ("priority", same_value),
    "max_retries": ("maxRetries", same_value),
    "retry": ("retry", lambda policy: policy.to_json() if isinstance(policy, Retry) else policy),
    "timeout": ("timeoutSeconds", in_seconds),
    "idempotency_key": ("idempotencyKey", checked_key),
    "tags": ("tags", dict),
    "dependencies": ("dependencies", list),
    "notify": ("notify", targets_to_json),
}


def submit(
    type: str, payload: Any = None, *, idempotency_key: str | None = None, **options: Unpack[TaskOptions]
) -> Call[Task]:
    """Submit a task. Each submit has an idempotency key, yours or a new one: a submit that is sent again because its
    answer was lost is still one task.

    Options: run_at or delay, priority, max_retries, retry, timeout, tags, dependencies, notify.
    Raises InvalidRequest with the invalid fields.
    """
    document = task_document(TaskSpec(type=type, payload=payload, **options))
    return post("/tasks", document, Task.from_json, idempotency_key)


def task_document(spec: TaskSpec) -> dict[str, Any]:
    if spec.run_at is not None and spec.delay is not None:
        raise ValueError("give a run time by run_at or by delay, not by both")
    return without_none(to_fields({option: getattr(spec, option) for option in TASK_FIELDS}, TASK_FIELDS))


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Task]:
    """Submit a JSON body as it is, whatever names its fields have."""
    return post_body("/tasks", body, idempotency_key, Task.from_json)


def get(task_id: str) -> Call[Task]:
    """Read a task with its attempts. Raises NotFound."""
    return Call(Request("GET", path_of("tasks", task_id)), Task.from_json)


def page(
    state: str | None = None, type: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page]:
    """One page of a listing, newest first."""
    query = query_of(state=state, type=type, limit=limit, cursor=cursor)
    return Call(Request("GET", f"/tasks{query}"), Page.from_json)


def cancel(task_id: str) -> Call[None]:
    """Cancel a task that has not started; cancelling it again is a success. Raises Conflict when it has started or
    settled."""
    return Call(Request("DELETE", path_of("tasks", task_id)), lambda document: None)


def update(
    task_id: str,
    *,
    priority: int | str | None = None,
    payload: Any = UNSET,
    run_at: datetime | None = None,
) -> Call[Task]:
    """Change a task that has not started. Raises Conflict when it has."""
    document: dict[str, Any] = {}
    if priority is not None:
        document["priority"] = priority
    if payload is not UNSET:
        document["payload"] = payload
    if run_at is not None:
        document["runAt"] = iso_time(run_at)
    if not document:
        raise ValueError("nothing to change: give priority, payload or run_at")
    # Without the key a repeat is refused if the task has started since: the first attempt may have moved it to now.
    headers = {**JSON_HEADERS, **key_header()}
    return Call(Request("PATCH", path_of("tasks", task_id), headers, encode(document)), Task.from_json)


def reschedule(task_id: str, run_at: datetime | None, delay: float | timedelta | None, now: datetime) -> Call[Task]:
    """To `run_at`, or to `delay` after `now`."""
    if (run_at is None) == (delay is None):
        raise ValueError("give the new run time by run_at or by delay: exactly one of them")
    if delay is not None:
        run_at = now.astimezone(UTC) + timedelta(seconds=in_seconds(delay))
    return update(task_id, run_at=run_at)
