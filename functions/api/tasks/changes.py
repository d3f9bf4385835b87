"""PATCH and DELETE /tasks/{id}: what a caller may still do to a task that has not started."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import (
    ChangedMeanwhile,
    FieldError,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    UnknownTaskType,
)
from functions.core.payloads.masking import Mask
from functions.core.states import CANCELLABLE, State
from functions.core.task import Task, Text, lane_of
from functions.core.task_types import Registry
from functions.intake.submission import keyed_change
from functions.intake.task_requests import CHANGE_ALIASES, ChangeTask, Limits, parse
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.store.documents import Documents, check_size
from functions.store.tasks import TaskStore, Wrote

logger = logging.getLogger("taskyard.api")

TRIES = 4
"""A task that others change at the same time is read again so often before the caller is told."""
CANCELLED = "cancelled by request"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """`clock`: epoch ms."""

    tasks: TaskStore
    documents: Documents
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    clock: Callable[[], int]

    def change(self, tenant: str, task_id: str, body: Mapping[str, Any], header: str | None) -> Task:
        """The task as it is after. Raises NotAllowedInState once it has started. `header`: Idempotency-Key as it came;
        the same request under it again changes nothing, whatever has become of the task."""
        check_size(body.get("payload"))
        parsed = parse(ChangeTask, body, CHANGE_ALIASES, Limits(self.clock(), 0))
        task = self._found(tenant, task_id)
        mask, payload_errors = self._checked_payload(task, parsed.fields)
        errors = [*parsed.errors, *payload_errors]
        if not any(value is not None or name == "payload" for name, value in parsed.fields.items()):
            errors.append(FieldError("body", "give at least one of runAt, delaySeconds, priority, payload"))
        if errors or parsed.request is None:
            raise InvalidRequest(errors)
        keyed = keyed_change(header, parsed.request)
        kept = None
        for _ in range(TRIES):
            if keyed and task.change_mark and keyed.is_among([task.change_mark], id=task.id):
                return task
            if task.state not in CANCELLABLE:
                raise NotAllowedInState("task", task.id, "change", task.state)
            if kept is None and "payload" in parsed.fields:
                kept = self.documents.keep_payload(tenant, task_id, parsed.fields["payload"])
            mark = keyed.mark if keyed else None
            changed = self._write(task, parsed.request, kept, mask, mark=mark)
            if changed is not None:
                return changed
            task = self._found(tenant, task_id)
        raise ChangedMeanwhile("task", task_id)

    def _write(
        self, task: Task, request: ChangeTask, payload: Text | None, mask: Mask | None, *, mark: str | None
    ) -> Task | None:
        """None: somebody else changed it between our read and our write."""
        now = self.clock()
        due = request.due(now)
        priority = task.priority if request.priority is None else request.priority
        available_at = task.available_at if due is None else due
        moved = available_at != task.available_at or lane_of(priority) != task.lane
        announced = moved and task.state is not State.BLOCKED
        if announced:
            # A crash after this leaves a wake-up of a generation that is never written: it is dropped when that shows.
            at = max(available_at, now)
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=at, now=now, priority=priority)
        answer = self.tasks.change(
            task,
            state=state_at(task, available_at, now) if announced else None,
            generation=task.generation + 1 if announced else None,
            available_at=available_at if moved else None,
            priority=priority if priority != task.priority or not (moved or payload) else None,
            payload=payload,
            mask=mask,
            mark=mark,
        )
        if not isinstance(answer, Wrote):
            return None
        if announced:
            self._forget(task, now)
        return answer.task

    def _checked_payload(self, task: Task, fields: Mapping[str, Any]) -> tuple[Mask | None, list[FieldError]]:
        """The mask of a new payload, and what is wrong with it."""
        if "payload" not in fields:
            return None, []
        try:
            return self.registry().find(task.type).accept(fields["payload"]), []
        except InvalidRequest as refused:
            return None, list(refused.errors)
        except UnknownTaskType:
            return None, [FieldError("payload", f"cannot be checked: this deployment has no handler for {task.type}")]

    def cancel(self, tenant: str, task_id: str, *, reason: str | None = None) -> Task:
        """The cancelled task; cancelled before, it is the same. Raises NotAllowedInState once it has started."""
        task = self._found(tenant, task_id)
        for _ in range(TRIES):
            if task.state is State.CANCELLED:
                # Whoever cancelled it may have died before its consequences.
                self.consequences.run(task)
                return task
            if task.state not in CANCELLABLE:
                raise NotAllowedInState("task", task.id, "cancel", task.state)
            answer = self.consequences.cancel(task, reason=f"{CANCELLED}: {reason}" if reason else CANCELLED)
            if isinstance(answer, Wrote):
                if task.state is not State.BLOCKED:
                    self._forget(task, self.clock())
                return answer.task
            task = self._found(tenant, task_id)
        raise ChangedMeanwhile("task", task_id)

    def _found(self, tenant: str, task_id: str) -> Task:
        task = self.tasks.get(tenant, task_id)
        if task is None:
            raise NotFound("task", task_id)
        return task

    def _forget(self, task: Task, now: int) -> None:
        try:
            self.dispatcher.delete_timer(task, now=now)
        except Exception:
            # What the caller asked for is done. The old wake-up comes, finds itself superseded and is dropped.
            logger.warning("old timer left", exc_info=True, extra={"taskId": task.id})


def state_at(task: Task, available_at: int, now: int) -> State:
    """RETRY stays: it has attempts behind it."""
    if task.state is State.RETRY:
        return State.RETRY
    return State.PENDING if available_at > now else State.READY
