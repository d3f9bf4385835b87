"""Every call of the API as a value: the request to send and how its answer is read. No I/O: both clients send these.

A new route is one function here and one method in each client.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from taskyard.errors import UnexpectedAnswer, problem
from taskyard.model import Health, Page, Retry, Stats, Task, TaskSpec
from taskyard.times import in_seconds, to_wire

T = TypeVar("T")

# The largest page that the API gives.
PAGE_LIMIT = 100


class Unset(Enum):
    """For arguments where None is a value of its own, such as the payload of `update`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Request:
    """path: with the query, encoded as it goes over the wire (a signature covers it byte for byte)."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """headers: names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    request: Request
    read: Callable[[Mapping[str, Any]], T]

    def result(self, response: Response) -> T:
        """The typed answer; raises ProblemError for a refusal, UnexpectedAnswer for what is no answer of this API."""
        if response.status >= 400:
            raise problem(response.status, response.body)
        if response.status >= 300:
            raise UnexpectedAnswer(response.status, f"a redirect to {response.headers.get('location')}")
        try:
            document = json.loads(response.body) if response.body else {}
            return self.read(document)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnexpectedAnswer(response.status, response.body[:200].decode("utf-8", "replace")) from error


def submit(
    type: str,
    payload: Any = None,
    *,
    run_at: datetime | None = None,
    delay: float | timedelta | None = None,
    priority: int | str | None = None,
    max_retries: int | None = None,
    retry: Retry | Mapping[str, Any] | None = None,
    timeout: float | timedelta | None = None,
    idempotency_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    dependencies: Sequence[str] | None = None,
) -> Call[Task]:
    spec = TaskSpec(
        type=type,
        payload=payload,
        run_at=run_at,
        delay=delay,
        priority=priority,
        max_retries=max_retries,
        retry=retry,
        timeout=timeout,
        tags=tags,
        dependencies=dependencies,
    )
    return submit_body(encode(task_document(spec)), idempotency_key or new_key())


def task_document(spec: TaskSpec) -> dict[str, Any]:
    """What is None is left out, so that the server's own default holds."""
    if spec.run_at is not None and spec.delay is not None:
        raise ValueError("a run time is given by run_at or by delay, not by both")
    named: dict[str, Any] = {
        "type": spec.type,
        "payload": spec.payload,
        "runAt": None if spec.run_at is None else to_wire(spec.run_at),
        "delaySeconds": None if spec.delay is None else in_seconds(spec.delay),
        "priority": spec.priority,
        "maxRetries": spec.max_retries,
        "retry": spec.retry.write() if isinstance(spec.retry, Retry) else spec.retry,
        "timeoutSeconds": None if spec.timeout is None else in_seconds(spec.timeout),
        "idempotencyKey": spec.idempotency_key,
        "tags": None if spec.tags is None else dict(spec.tags),
        "dependencies": None if spec.dependencies is None else list(spec.dependencies),
    }
    return {name: value for name, value in named.items() if value is not None}


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Task]:
    """A body as it is, byte for byte. Without a key of its own (argument or field) it gets a fresh one, so that a
    submit whose answer is lost can be sent again and stays one task."""
    headers = {"content-type": "application/json"}
    if idempotency_key is None and not names_a_key(body):
        idempotency_key = new_key()
    if idempotency_key is not None:
        headers["idempotency-key"] = idempotency_key
    return Call(Request("POST", "/tasks", headers, body), Task.read)


def get(task_id: str) -> Call[Task]:
    return Call(Request("GET", task_path(task_id)), Task.read)


def page(
    state: str | None = None, type: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page]:
    named = {"state": state, "type": type, "limit": limit, "cursor": cursor}
    return Call(Request("GET", "/tasks" + query_of(named)), Page.read)


def cancel(task_id: str) -> Call[None]:
    return Call(Request("DELETE", task_path(task_id)), lambda document: None)


def update(
    task_id: str,
    *,
    priority: int | str | None = None,
    payload: Any = UNSET,
    run_at: datetime | None = None,
) -> Call[Task]:
    document: dict[str, Any] = {}
    if priority is not None:
        document["priority"] = priority
    if payload is not UNSET:
        document["payload"] = payload
    if run_at is not None:
        document["runAt"] = to_wire(run_at)
    if not document:
        raise ValueError("nothing to change: give priority, payload or run_at")
    headers = {"content-type": "application/json"}
    return Call(Request("PATCH", task_path(task_id), headers, encode(document)), Task.read)


def reschedule(task_id: str, run_at: datetime | None, delay: float | timedelta | None, now: datetime) -> Call[Task]:
    """To a stated time, or to `delay` from `now`."""
    if (run_at is None) == (delay is None):
        raise ValueError("a new run time is given by run_at or by delay: exactly one of them")
    if delay is not None:
        run_at = now.astimezone(UTC) + timedelta(seconds=in_seconds(delay))
    return update(task_id, run_at=run_at)


def stats() -> Call[Stats]:
    return Call(Request("GET", "/monitor/stats"), Stats.read)


def health() -> Call[Health]:
    return Call(Request("GET", "/monitor/health"), Health.read)


def new_key() -> str:
    return str(uuid.uuid4())


def query_of(named: Mapping[str, object]) -> str:
    """`?a=b&c=d`, without what is None."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in named.items() if value is not None)
    return f"?{query}" if query else ""


def task_path(task_id: str) -> str:
    if not task_id:
        raise ValueError("an empty task id")
    return f"/tasks/{quote(task_id, safe='')}"


def encode(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def names_a_key(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, Mapping) and bool({"idempotencyKey", "idempotency_key"} & document.keys())
