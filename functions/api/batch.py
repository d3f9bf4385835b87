"""POST /tasks/batch: up to a thousand submits at once, each with its own outcome.

As a single submit, wake-ups first, then records: but messages go in tens and records side by side.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from functions.core.errors import FieldError, InvalidRequest
from functions.core.task import Task
from functions.intake import problems, views
from functions.intake.submission import Prepared, Submission, Submitted, first_look

logger = logging.getLogger("taskyard.api")

MOST = 1000
SIDE_BY_SIDE = 16
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Batch:
    submission: Submission

    def submit(
        self, body: Mapping[str, Any], *, tenant: str, now: int, random: Callable[[], int], request_id: str
    ) -> tuple[dict[str, Any], list[Task]]:
        """The answer, and the tasks that are new. `random`: 80 bits each time. Raises InvalidRequest when the body is
        no batch; what is wrong with one task is that one's outcome."""
        submits = read(body)

        def prepare(submit: Any) -> Prepared | Submitted | Exception:
            if not isinstance(submit, dict):
                return InvalidRequest([FieldError("body", "must be an object")])
            return tried(
                lambda: self.submission.prepare(submit, None, tenant=tenant, now=now, random=random()),
            )

        outcomes: list[Prepared | Submitted | Exception] = [prepare(submit) for submit in submits]
        self._each(outcomes, self.submission.kept)
        self._dispatch(outcomes, now)
        self._each(outcomes, self.submission.write)
        created = [done.task for done in outcomes if isinstance(done, Submitted) and done.created]
        refused = sum(isinstance(done, Exception) for done in outcomes)
        answer = {
            "created": len(created),
            "existing": len(outcomes) - len(created) - refused,
            "refused": refused,
            "results": [result(at, done, now, request_id) for at, done in enumerate(outcomes)],
        }
        return answer, created

    def _each(self, outcomes: list[Any], work: Callable[[Prepared], Any]) -> None:
        """Replaces what is still to be done by what `work` makes of it."""
        todo = [at for at, outcome in enumerate(outcomes) if isinstance(outcome, Prepared)]
        if not todo:
            return
        with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(todo))) as threads:
            done = threads.map(lambda at: tried(lambda: work(outcomes[at])), todo)
            for at, outcome in zip(todo, list(done), strict=True):
                outcomes[at] = outcome

    def _dispatch(self, outcomes: list[Any], now: int) -> None:
        """A hundred at a time: when SQS refuses, those are told to come again, and no others."""
        todo = [at for at, outcome in enumerate(outcomes) if isinstance(outcome, Prepared)]
        for start in range(0, len(todo), 100):
            group = todo[start : start + 100]
            # Generation 1 is the next one of a task that has none yet.
            tasks = [outcomes[at].task for at in group]
            unborn = [replace(task, generation=0, available_at=first_look(task, now)) for task in tasks]
            failed = tried(lambda unborn=unborn: self.submission.dispatcher.dispatch_next(unborn, now=now))  # type: ignore[misc]
            if isinstance(failed, Exception):
                for at in group:
                    outcomes[at] = failed


def read(body: Mapping[str, Any]) -> Sequence[Any]:
    errors = [FieldError(name, "is not a known field") for name in body if name != "tasks"]
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= MOST:
        errors.append(FieldError("tasks", f"must be a list of 1 to {MOST} tasks"))
    if errors or not isinstance(tasks, list):
        raise InvalidRequest(errors)
    return tasks


def tried(work: Callable[[], R]) -> R | Exception:
    """One task's trouble is not its neighbours'."""
    try:
        return work()
    except Exception as error:
        return error


def result(at: int, outcome: Any, now: int, request_id: str) -> dict[str, Any]:
    if isinstance(outcome, Submitted):
        status = 201 if outcome.created else 200
        view = views.brief(outcome.task, now=now)
        return {"index": at, "status": status, "task": view}
    problem = problems.problem(outcome, request_id=request_id)
    return {"index": at, "status": problem.status, "problem": problem.document}
