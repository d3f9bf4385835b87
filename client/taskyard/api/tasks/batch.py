"""POST /tasks/batch: many tasks in few requests, with an outcome for each task."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from taskyard.api.json_fields import Json
from taskyard.api.requests import encode
from taskyard.api.tasks.calls import task_document
from taskyard.api.tasks.models import Task, TaskSpec
from taskyard.errors import TaskyardError, problem_of
from taskyard.transport.call import JSON_HEADERS, Call, Request
from taskyard.transport.idempotency_keys import new_key

TASKS_PER_REQUEST = 1000
"""The limit of the API, for tasks of a batch and for ids of a bulk cancel."""

BODY_BYTES = 4_000_000
"""Of one batch. The API accepts 6 MB, in which Lambda quotes the body once more."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one task of a batch: `task` or `error`. The task has its main fields only.

    sent: the body with its idempotency key. Submitting it again (`yard.submit_batch(o.sent for o in outcomes if not
    o.ok)`) never makes a second task. created: False for a task that existed before; of a task with a key of your own
    also when an earlier attempt of this submit was carried out and its answer was lost.
    """

    index: int
    sent: Json = field(repr=False)
    task: Task | None = None
    created: bool = False
    error: TaskyardError | None = None

    @property
    def ok(self) -> bool:
        return self.task is not None

    @classmethod
    def from_json(cls, index: int, sent: Json, document: Json) -> "Outcome":
        status = int(document["status"])
        if status < 400:
            return cls(index, sent, Task.from_json(document["task"]), status == 201)
        return cls(index, sent, error=problem_of(status, document["problem"]))


@dataclass(frozen=True, slots=True)
class Batch:
    """One request that submits many tasks. first_index: index of its first task among all tasks of the submit."""

    first_index: int
    bodies: Sequence[Mapping[str, Any]]
    call: Call[list[Outcome]]

    def failed_outcomes(self, error: TaskyardError) -> list[Outcome]:
        """The outcomes when no answer came, or when the API refused the whole request."""
        return [Outcome(self.first_index + index, body, error=error) for index, body in enumerate(self.bodies)]


def batches(tasks: Iterable[Mapping[str, Any] | TaskSpec], body_bytes: int = BODY_BYTES) -> Iterator[Batch]:
    """As few requests as hold all tasks. Each task has an idempotency key, its own or a new one."""
    first_index, bodies, encoded_bodies, byte_count = 0, list[Mapping[str, Any]](), list[bytes](), 0
    generated_keys = set[str]()
    for task in tasks:
        body = task_document(task) if isinstance(task, TaskSpec) else task
        if not body.get("idempotencyKey"):
            body = {**body, "idempotencyKey": new_key()}
            generated_keys.add(body["idempotencyKey"])
        encoded = encode(body)
        if bodies and (len(bodies) == TASKS_PER_REQUEST or byte_count + len(encoded) > body_bytes):
            yield _batch(first_index, bodies, encoded_bodies, generated_keys)
            first_index, bodies, encoded_bodies, byte_count = first_index + len(bodies), [], [], 0
        bodies.append(body)
        encoded_bodies.append(encoded)
        # One byte for the comma after it.
        byte_count += len(encoded) + 1
    if bodies:
        yield _batch(first_index, bodies, encoded_bodies, generated_keys)


def _batch(
    first_index: int, bodies: Sequence[Mapping[str, Any]], encoded_bodies: Sequence[bytes], generated_keys: Set[str]
) -> Batch:
    """generated_keys: made for this submit. A task that exists already under one of them was created by an attempt of
    this submit whose answer was lost, so it counts as created."""

    def from_json(document: Mapping[str, Any]) -> list[Outcome]:
        results = document["results"]
        if len(results) != len(bodies):
            raise ValueError(f"{len(results)} results for {len(bodies)} tasks")
        outcomes = [
            Outcome.from_json(first_index + index, bodies[index], result) for index, result in enumerate(results)
        ]
        return [
            replace(outcome, created=True)
            if outcome.ok and outcome.sent["idempotencyKey"] in generated_keys
            else outcome
            for outcome in outcomes
        ]

    request_body = b'{"tasks":[' + b",".join(encoded_bodies) + b"]}"
    return Batch(first_index, bodies, Call(Request("POST", "/tasks/batch", JSON_HEADERS, request_body), from_json))
