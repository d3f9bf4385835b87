"""POST /tasks/batch: up to a thousand submits at once, each with its own outcome.

As a single submit, wake-ups first, then records: but messages go in tens and records side by side. All is checked
before anything is written, so the tasks of one batch cannot depend on each other: that is a workflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from functions.core.errors import FieldError, IdempotencyKeyReused, InvalidRequest
from functions.core.task import Task
from functions.intake import problems
from functions.intake import task_views as views
from functions.intake.submission import PreparedTask, Submission, SubmittedTask, first_look
from functions.runtime import parallel as many

MOST = 1000
RESULT_BYTES = 2000
"""Of a problem, as JSON. A thousand of them, quoted in Lambda's answer, stay within its 6 MB."""
DETAIL_LIMIT = 300
"""Characters of a problem's detail, and of a field's name, where a problem has to be cut."""


@dataclass(frozen=True)
class Same:
    """Its idempotency key is an earlier task's of the batch, whose outcome it shares. `at`: the earlier one."""

    at: int
    prepared: PreparedTask


Outcome = PreparedTask | SubmittedTask | Same | Exception


@dataclass(frozen=True)
class Batch:
    submission: Submission

    def submit(
        self, body: Mapping[str, Any], *, tenant: str, now: int, random: Callable[[], int], request_id: str
    ) -> tuple[dict[str, Any], list[Task]]:
        """The answer, and the tasks that are new. `random`: 80 bits each time. Raises InvalidRequest when the body is
        no batch; what is wrong with one task is that one's outcome."""

        def prepare(submit: Any) -> PreparedTask | SubmittedTask:
            if not isinstance(submit, dict):
                raise InvalidRequest([FieldError("body", "must be an object")])
            return self.submission.prepare(submit, None, tenant=tenant, now=now, random=random())

        outcomes: list[Outcome] = apart(many.map_parallel(prepare, read(body)))
        advance(outcomes, self.submission.kept)
        self._announce(outcomes, now)
        advance(outcomes, self.submission.write)
        outcomes = [joined(outcome, outcomes) for outcome in outcomes]
        created = [done.task for done in outcomes if isinstance(done, SubmittedTask) and done.created]
        refused = sum(isinstance(done, Exception) for done in outcomes)
        answer = {
            "created": len(created),
            "existing": len(outcomes) - len(created) - refused,
            "refused": refused,
            "results": [result(at, done, now, request_id) for at, done in enumerate(outcomes)],
        }
        return answer, created

    def _announce(self, outcomes: list[Outcome], now: int) -> None:
        """When SQS refuses ten, those are told to come again, and no others."""
        todo = [(at, outcome.task) for at, outcome in enumerate(outcomes) if isinstance(outcome, PreparedTask)]
        # Generation 1 is the next one of a task that has none yet.
        unborn = [replace(task, generation=0, available_at=first_look(task, now)) for _, task in todo]
        failed = many.dispatch_many(self.submission.dispatcher, unborn, now=now)
        for (at, _), error in zip(todo, failed, strict=True):
            if error is not None:
                outcomes[at] = error


def read(body: Mapping[str, Any]) -> Sequence[Any]:
    errors = [FieldError(name, "is not a known field") for name in body if name != "tasks"]
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= MOST:
        errors.append(FieldError("tasks", f"must be a list of 1 to {MOST} tasks"))
    if errors or not isinstance(tasks, list):
        raise InvalidRequest(errors)
    return tasks


def advance(outcomes: list[Outcome], work: Callable[[PreparedTask], PreparedTask | SubmittedTask]) -> None:
    """Replaces what is still to be done by what `work` makes of it."""
    todo = [(at, outcome) for at, outcome in enumerate(outcomes) if isinstance(outcome, PreparedTask)]
    done = many.map_parallel(work, [outcome for _, outcome in todo])
    for (at, _), outcome in zip(todo, done, strict=True):
        outcomes[at] = outcome


def apart(outcomes: Sequence[PreparedTask | SubmittedTask | Exception]) -> list[Outcome]:
    """The first of each key is written, whatever the threads' order; those after it wait for what becomes of it."""
    first: dict[str, int] = {}
    found: list[Outcome] = []
    for at, outcome in enumerate(outcomes):
        if isinstance(outcome, PreparedTask) and first.setdefault(outcome.task.id, at) != at:
            found.append(Same(first[outcome.task.id], outcome))
        else:
            found.append(outcome)
    return found


def joined(outcome: Outcome, outcomes: Sequence[Outcome]) -> Outcome:
    """What a second submit of the key would have been answered."""
    if not isinstance(outcome, Same):
        return outcome
    earlier = outcomes[outcome.at]
    if isinstance(earlier, SubmittedTask) and outcome.prepared.fingerprint.fits(earlier.task.digest):
        return replace(earlier, created=False)
    if isinstance(earlier, SubmittedTask):
        return IdempotencyKeyReused("task", earlier.task.id, outcome.prepared.task.idempotency_key or "")
    return earlier


def result(at: int, outcome: Outcome, now: int, request_id: str) -> dict[str, Any]:
    if isinstance(outcome, SubmittedTask):
        return {"index": at, "status": 201 if outcome.created else 200, "task": views.slip(outcome.task, now=now)}
    assert isinstance(outcome, Exception), outcome
    problem = problems.problem_of(outcome, request_id=request_id)
    return {"index": at, "status": problem.status, "problem": shortened(problem.document)}


def shortened(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """With as many of its errors as there is room for."""
    if size(document) <= RESULT_BYTES:
        return document
    short = {**document, "detail": document["detail"][:DETAIL_LIMIT]}
    if "errors" in document:
        short["errors"] = []
        for error in document["errors"]:
            fitting = [*short["errors"], error | {"field": error["field"][:DETAIL_LIMIT]}]
            if size(short | {"errors": fitting}) > RESULT_BYTES:
                break
            short["errors"] = fitting
    return short


def size(document: Mapping[str, Any]) -> int:
    return len(views.dump(document).encode())
