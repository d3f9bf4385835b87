"""Submits of handlers: a running task submits others (`ctx.submit`).

The id of a child follows from its parent and the name of the submit. So every attempt of the parent that submits under
a name gets the same child, and the conditional put of the child is the deduplication. As in any submit, the wake-up is
sent before the record is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from taskyard.tasks.errors import NotSubmitted
from taskyard.tasks.submits import Submit

from functions.core.children import child_idempotency_key
from functions.core.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    PayloadTooLarge,
    UnknownTaskType,
)
from functions.core.task import Task
from functions.intake.submission import PreparedTask, Submission, SubmittedTask, first_wakeup_at
from functions.runtime.parallel import map_threads


@dataclass(frozen=True)
class ChildSubmission:
    submission: Submission

    def submit(self, parent: Task, submits: Sequence[Submit], *, now: int) -> list[SubmittedTask]:
        """The children, in the order of `submits`. All requests are checked before the first is written. An existing
        child stays as it is, also when this attempt asks for something else under its name. Raises NotSubmitted for a
        request that is refused; StoreUnavailable: a later attempt submits what is missing."""
        prepared = [self._prepare(parent, submit, now) for submit in submits]
        new = [each for each in prepared if isinstance(each, PreparedTask)]
        stored = map_threads(self.submission.with_stored_payload, new)
        # dispatch_many sends wake-ups of the next generation. Generation 1 is the next one of generation 0.
        tasks = [replace(each.task, generation=0, available_at=first_wakeup_at(each.task, now)) for each in stored]
        for error in self.submission.dispatcher.dispatch_many(tasks, now=now):
            if error is not None:
                raise error
        written = iter(map_threads(self._write, stored))
        return [each if isinstance(each, SubmittedTask) else next(written) for each in prepared]

    def _prepare(self, parent: Task, submit: Submit, now: int) -> PreparedTask | SubmittedTask:
        key = child_idempotency_key(parent.id, submit.name)
        try:
            # The id follows from the key, so no random bits are needed.
            valid = self.submission.validate(submit.body, None, tenant=parent.tenant, now=now, random=0, key=key)
            return self.submission.with_dependencies(valid)
        except (InvalidRequest, UnknownTaskType, PayloadTooLarge) as error:
            raise NotSubmitted(submit.name, str(error)) from None

    def _write(self, prepared: PreparedTask) -> SubmittedTask:
        try:
            return self.submission.write(prepared)
        except IdempotencyKeyReused:
            task = prepared.task
            return SubmittedTask(self.submission.tasks.get(task.tenant, task.id) or task, created=False)
