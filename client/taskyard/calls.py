"""Every call of the API as a value: the request to send and how its answer is read. No I/O: both clients send these.

A new route is one function here and one method in each client.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final, Generic, TypeVar, Unpack
from urllib.parse import quote

from taskyard.errors import NotFound, UnexpectedAnswer, problem
from taskyard.idempotency import key_header
from taskyard.model import Health, Page, Stats, Task, TaskSpec
from taskyard.notify import NotificationPage
from taskyard.options import TASK, TaskOptions, given, named
from taskyard.times import in_seconds, to_wire

T = TypeVar("T")

JSON: Final = {"content-type": "application/json"}


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
    """headers: names in lower case. unreadable: why there is no body, where one was sent that cannot be read: the
    status stands all the same."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    unreadable: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """removes: a success leaves nothing to find, so that to a repeat "there is none" is a success."""

    request: Request
    read: Callable[[Mapping[str, Any]], T]
    removes: bool = False

    def result(self, response: Response, *, repeated: bool = False) -> T:
        """The typed answer; raises ProblemError for a refusal, UnexpectedAnswer for what is no answer of this API.
        repeated: an earlier try may have been carried out."""
        if response.status >= 400:
            error = problem(response.status, response.body)
            if repeated and self.removes and isinstance(error, NotFound):
                return self.read({})
            raise error
        if response.status >= 300:
            raise UnexpectedAnswer(response.status, f"a redirect to {response.headers.get('location')}")
        return self.answer(response)

    def answer(self, response: Response) -> T:
        """Of a success."""
        if response.unreadable is not None and response.status != 204:
            raise UnexpectedAnswer(response.status, response.unreadable)
        try:
            document = json.loads(response.body) if response.body else {}
            return self.read(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnexpectedAnswer(response.status, response.body[:200].decode("utf-8", "replace")) from error


def submit(
    type: str, payload: Any = None, *, idempotency_key: str | None = None, **options: Unpack[TaskOptions]
) -> Call[Task]:
    document = task_document(TaskSpec(type=type, payload=payload, **options))
    return post("/tasks", document, Task.read, idempotency_key)


def task_document(spec: TaskSpec) -> dict[str, Any]:
    if spec.run_at is not None and spec.delay is not None:
        raise ValueError("a run time is given by run_at or by delay, not by both")
    return given(named({option: getattr(spec, option) for option in TASK}, TASK))


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Task]:
    return post_keyed("/tasks", body, idempotency_key, Task.read)


def get(task_id: str) -> Call[Task]:
    return Call(Request("GET", path_of("tasks", task_id)), Task.read)


def page(
    state: str | None = None, type: str | None = None, limit: int | None = None, cursor: str | None = None
) -> Call[Page]:
    query = query_of(state=state, type=type, limit=limit, cursor=cursor)
    return Call(Request("GET", f"/tasks{query}"), Page.read)


def cancel(task_id: str) -> Call[None]:
    return Call(Request("DELETE", path_of("tasks", task_id)), lambda document: None)


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
    # Without the key a repeat is refused when the task has started since: the first try may have moved it to now.
    headers = {**JSON, **key_header()}
    return Call(Request("PATCH", path_of("tasks", task_id), headers, encode(document)), Task.read)


def reschedule(task_id: str, run_at: datetime | None, delay: float | timedelta | None, now: datetime) -> Call[Task]:
    """To a stated time, or to `delay` from `now`."""
    if (run_at is None) == (delay is None):
        raise ValueError("a new run time is given by run_at or by delay: exactly one of them")
    if delay is not None:
        run_at = now.astimezone(UTC) + timedelta(seconds=in_seconds(delay))
    return update(task_id, run_at=run_at)


def undeliverable(limit: int | None = None, cursor: str | None = None) -> Call[NotificationPage]:
    query = query_of(state="UNDELIVERABLE", limit=limit, cursor=cursor)
    return Call(Request("GET", f"/notifications{query}"), NotificationPage.read)


def stats() -> Call[Stats]:
    return Call(Request("GET", "/monitor/stats"), Stats.read)


def health() -> Call[Health]:
    return Call(Request("GET", "/monitor/health"), Health.read)


def query_of(**parameters: object) -> str:
    """`?a=b&c=d`, without what is None."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given(parameters).items())
    return f"?{query}" if query else ""


def path_of(kind: str, id: str) -> str:
    """kind: tasks, workflows or schedules."""
    if not id:
        raise ValueError(f"an empty id: {kind}")
    return f"/{kind}/{quote(id, safe='')}"


def encode(document: Mapping[str, Any]) -> bytes:
    """Raises ValueError for what JSON cannot hold."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - 20) : error.end]
        raise ValueError(f"half of a surrogate pair is no character: {near!r}") from error


def post(
    path: str, document: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T], idempotency_key: str | None = None
) -> Call[T]:
    """Under its key, or a new one. The body without what is None."""
    return Call(Request("POST", path, {**JSON, **key_header(idempotency_key)}, encode(given(document))), read)


def post_keyed(path: str, body: bytes, idempotency_key: str | None, read: Callable[[Mapping[str, Any]], T]) -> Call[T]:
    """A body as it is, byte for byte. Without a key of its own (argument or field) it gets a fresh one, so that a
    submit whose answer is lost can be sent again and stays one."""
    headers = dict(JSON)
    if idempotency_key is not None or not names_a_key(body):
        headers |= key_header(idempotency_key)
    return Call(Request("POST", path, headers, body), read)


def names_a_key(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, Mapping) and bool({"idempotencyKey", "idempotency_key"} & document.keys())
