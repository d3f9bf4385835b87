"""The calls of many tasks at once and of the failure desk, as values (see calls.py)."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Unpack

from taskyard.calls import JSON, Call, Request, encode, path_of, post, query_of, task_document
from taskyard.errors import TaskyardError
from taskyard.idempotency import new_key
from taskyard.model import Cancelled, Outcome, Page, Redrive, Task, TaskSpec
from taskyard.options import (
    CANCEL,
    LETTERS,
    REDRIVE,
    CancelFilter,
    LetterFilter,
    RedriveOptions,
    given,
    named,
)

# The most tasks, and ids, that one request of the API takes.
MOST = 1000

# Bytes of a batch's body. The API takes 6 MB, in which Lambda quotes the body once more.
BODY_LIMIT = 4_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """One request of many submits. first: index of its first task among all."""

    first: int
    sent: Sequence[Mapping[str, Any]]
    call: Call[list[Outcome]]

    def failed(self, error: TaskyardError) -> list[Outcome]:
        """No answer came, or the request was refused whole: that is what became of each."""
        return [Outcome(self.first + at, sent, error=error) for at, sent in enumerate(self.sent)]


def batches(tasks: Iterable[Mapping[str, Any] | TaskSpec], limit: int = BODY_LIMIT) -> Iterator[Batch]:
    """As few requests as hold them all. Each task has an idempotency key, its own or a new one."""
    first, sent, bodies, size = 0, list[Mapping[str, Any]](), list[bytes](), 0
    ours = set[str]()
    for task in tasks:
        document = task_document(task) if isinstance(task, TaskSpec) else task
        if not document.get("idempotencyKey"):
            document = {**document, "idempotencyKey": new_key()}
            ours.add(document["idempotencyKey"])
        body = encode(document)
        if bodies and (len(bodies) == MOST or size + len(body) > limit):
            yield batch(first, sent, bodies, ours)
            first, sent, bodies, size = first + len(sent), [], [], 0
        sent.append(document)
        bodies.append(body)
        # With the comma after it.
        size += len(body) + 1
    if bodies:
        yield batch(first, sent, bodies, ours)


def batch(first: int, sent: Sequence[Mapping[str, Any]], bodies: Sequence[bytes], ours: Set[str]) -> Batch:
    """ours: keys that were made for this submit. A task that was submitted before under one of them was submitted by a
    try of ours, whose answer was lost."""

    def read(document: Mapping[str, Any]) -> list[Outcome]:
        results = document["results"]
        if len(results) != len(sent):
            raise ValueError(f"{len(results)} results for {len(sent)} tasks")
        outcomes = [Outcome.read(first + at, sent[at], result) for at, result in enumerate(results)]
        return [
            replace(outcome, created=True) if outcome.ok and outcome.sent["idempotencyKey"] in ours else outcome
            for outcome in outcomes
        ]

    body = b'{"tasks":[' + b",".join(bodies) + b"]}"
    return Batch(first, sent, Call(Request("POST", "/tasks/batch", JSON, body), read))


def dead_letters(limit: int, cursor: str | None, wanted: LetterFilter) -> Call[Page]:
    query = query_of(**named(wanted, LETTERS), limit=limit, cursor=cursor)
    return Call(Request("GET", f"/dead-letters{query}"), Page.read)


def retry(task_id: str, attempts: int | None = None) -> Call[Task]:
    return post(f"{path_of('tasks', task_id)}/retry", {"attempts": attempts}, Task.read)


def redrive(dry_run: bool, cursor: str | None, options: RedriveOptions) -> Call[Redrive]:
    document = named(options, REDRIVE) | {"dryRun": dry_run, "cursor": cursor}
    return post("/dead-letters/redrive", document, Redrive.read)


def cancel_many(
    ids: Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    reason: str | None = None,
    **wanted: Unpack[CancelFilter],
) -> Iterator[Call[Cancelled]]:
    """By ids a request per thousand; by filter one, whose cursor `next_page` follows."""
    filtered = given(named(wanted, CANCEL))
    if (ids is None) == (not filtered):
        raise ValueError("tasks to cancel are given by ids, or by type, state or tags: not both, not neither")
    common: dict[str, object] = {"dryRun": dry_run, "reason": reason}
    if ids is None:
        return iter([post("/tasks/cancel", filtered | common, Cancelled.read)])
    listed = list(dict.fromkeys([ids] if isinstance(ids, str) else ids))
    return (
        post("/tasks/cancel", {"ids": listed[start : start + MOST]} | common, Cancelled.read)
        for start in range(0, len(listed), MOST)
    )


def next_page(call: Call[Cancelled], cursor: str) -> Call[Cancelled]:
    """The same request, from where its answer ended."""
    return post("/tasks/cancel", {**json.loads(call.request.body), "cursor": cursor}, Cancelled.read)
