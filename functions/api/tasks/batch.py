"""POST /tasks/batch: submits up to a thousand tasks, each with its own result.

As in a single submit, wake-ups are sent first, then records are written; but messages go in tens, and records in
parallel. All tasks are checked before anything is written, so the tasks of one batch cannot depend on each other: a
workflow can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from functions.core.errors import FieldError, IdempotencyKeyReused, InvalidRequest
from functions.core.pools import Routing
from functions.core.task import Task
from functions.intake import problems
from functions.intake import task_views as views
from functions.intake.submission import PreparedTask, Submission, SubmittedTask, first_wakeup_at
from functions.runtime.parallel import map_parallel

if TYPE_CHECKING:
    from functions.api.schemas import Problem
    from functions.api.tasks import schemas

MAX_TASKS = 1000
PROBLEM_BYTES = 2000
"""Of one problem as JSON. A thousand of them, quoted in the answer of Lambda, stay below its limit of 6 MB."""
TEXT_LIMIT = 300
"""Characters of the detail and of each field name, in a problem that has to be shortened."""


@dataclass(frozen=True)
class Duplicate:
    """A task whose idempotency key an earlier task of the batch has. `original`: index of the earlier one."""

    original: int
    prepared: PreparedTask


SubmitResult = PreparedTask | SubmittedTask | Duplicate | Exception
"""PreparedTask and Duplicate are pending: each becomes one of the other two."""


@dataclass(frozen=True)
class BatchSubmission:
    submission: Submission

    def submit(
        self, body: Mapping[str, Any], *, tenant: str, now: int, random: Callable[[], int], request_id: str
    ) -> tuple[schemas.BatchAnswer, list[Task]]:
        """The view, and the tasks that were created. `random`: 80 bits for each call. Raises InvalidRequest for a body
        that is no batch, and what `Submission.admit` raises, for all valid tasks together; any other error of one task
        is the result of that task."""

        def validate(task_body: Any) -> PreparedTask:
            if not isinstance(task_body, dict):
                raise InvalidRequest([FieldError("body", "must be an object")])
            return self.submission.validate(task_body, None, tenant=tenant, now=now, random=random())

        valid = map_parallel(validate, task_bodies(body))
        self.submission.admit(tenant, sum(isinstance(result, PreparedTask) for result in valid), now=now)
        results: list[SubmitResult] = [*valid]
        replace_pending(results, self.submission.with_dependencies)
        results = mark_duplicates(results)
        replace_pending(results, self.submission.with_stored_payload)
        self._send_wakeups(results, now)
        replace_pending(results, self.submission.write)
        results = [duplicate_result(result, results) for result in results]
        created = [result.task for result in results if isinstance(result, SubmittedTask) and result.created]
        refused = sum(isinstance(result, Exception) for result in results)
        routing = self.submission.dispatcher.routing
        view: schemas.BatchAnswer = {
            "created": len(created),
            "existing": len(results) - len(created) - refused,
            "refused": refused,
            "results": [result_view(index, result, routing, now, request_id) for index, result in enumerate(results)],
        }
        return view, created

    def _send_wakeups(self, results: list[SubmitResult], now: int) -> None:
        """When SQS refuses a call of ten messages, the result of those ten tasks is StoreUnavailable, and of no
        others."""
        pending = [(index, result.task) for index, result in enumerate(results) if isinstance(result, PreparedTask)]
        # dispatch_many sends wake-ups of the next generation. Generation 1 is the next one of generation 0.
        tasks = [replace(task, generation=0, available_at=first_wakeup_at(task, now)) for _, task in pending]
        errors = self.submission.dispatcher.dispatch_many(tasks, now=now)
        for (index, _), error in zip(pending, errors, strict=True):
            if error is not None:
                results[index] = error


def task_bodies(body: Mapping[str, Any]) -> Sequence[Any]:
    """Raises InvalidRequest for a body that is no batch."""
    errors = [FieldError(name, "is not a known field") for name in body if name != "tasks"]
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= MAX_TASKS:
        errors.append(FieldError("tasks", f"must be a list of 1 to {MAX_TASKS} tasks"))
    if errors or not isinstance(tasks, list):
        raise InvalidRequest(errors)
    return tasks


def replace_pending(results: list[SubmitResult], work: Callable[[PreparedTask], PreparedTask | SubmittedTask]) -> None:
    """Replaces each prepared task by what `work` returns or raises for it."""
    pending = [(index, result) for index, result in enumerate(results) if isinstance(result, PreparedTask)]
    replacements = map_parallel(work, [result for _, result in pending])
    for (index, _), replacement in zip(pending, replacements, strict=True):
        results[index] = replacement


def mark_duplicates(results: Sequence[SubmitResult]) -> list[SubmitResult]:
    """The first task of each idempotency key is written, whatever the order of the threads; the later ones share its
    result."""
    first: dict[str, int] = {}
    marked: list[SubmitResult] = []
    for index, result in enumerate(results):
        if isinstance(result, PreparedTask) and first.setdefault(result.task.id, index) != index:
            marked.append(Duplicate(first[result.task.id], result))
        else:
            marked.append(result)
    return marked


def duplicate_result(result: SubmitResult, results: Sequence[SubmitResult]) -> SubmitResult:
    """What a second submit under the key would be answered."""
    if not isinstance(result, Duplicate):
        return result
    original = results[result.original]
    if isinstance(original, SubmittedTask) and result.prepared.fingerprint.matches(original.task.digest):
        return replace(original, created=False)
    if isinstance(original, SubmittedTask):
        return IdempotencyKeyReused("task", original.task.id, result.prepared.task.idempotency_key or "")
    return original


def result_view(index: int, result: SubmitResult, routing: Routing, now: int, request_id: str) -> schemas.BatchResult:
    if isinstance(result, SubmittedTask):
        status = 201 if result.created else 200
        return {
            "index": index,
            "status": status,
            "task": views.summary(result.task, routing, now=now),
        }
    assert isinstance(result, Exception), result
    problem = problems.problem_of(result, request_id=request_id)
    return {"index": index, "status": problem.status, "problem": shortened_problem(problem.document)}


def shortened_problem(document: Mapping[str, Any]) -> Problem:
    """With as many of its field errors as fit PROBLEM_BYTES."""
    if json_bytes(document) <= PROBLEM_BYTES:
        return cast("Problem", document)
    short: dict[str, Any] = {**document, "detail": document["detail"][:TEXT_LIMIT]}
    if "errors" in document:
        short["errors"] = []
        for error in document["errors"]:
            errors = [*short["errors"], error | {"field": error["field"][:TEXT_LIMIT]}]
            if json_bytes(short | {"errors": errors}) > PROBLEM_BYTES:
                break
            short["errors"] = errors
    return cast("Problem", short)


def json_bytes(document: Mapping[str, Any]) -> int:
    return len(views.to_json(document).encode())
