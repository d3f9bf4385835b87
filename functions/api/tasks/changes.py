"""PATCH and DELETE /tasks/{id}: changes to a task that has not started, and its cancellation."""

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
from functions.core.task import Document, Task
from functions.core.task_types import Registry
from functions.intake.idempotency_key import keyed_change
from functions.intake.task_requests import CHANGE_ALIASES, ChangeTask, Limits, parse
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.store.documents import Documents, require_payload_size
from functions.store.tasks import Applied, TaskStore

logger = logging.getLogger("taskyard.api")

TRIES = 4
"""Reads of a task that other requests keep changing, before ChangedMeanwhile."""
CANCEL_REASON = "cancelled by request"


@dataclass(frozen=True, kw_only=True)
class TaskChanges:
    """`clock`: epoch ms."""

    tasks: TaskStore
    documents: Documents
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    clock: Callable[[], int]

    def change(self, tenant: str, task_id: str, body: Mapping[str, Any], header: str | None) -> Task:
        """The task after the change. `header`: Idempotency-Key as it came; the same request again under the same key
        changes nothing more, whatever has happened to the task since. Raises NotAllowedInState once the task has
        started; InvalidRequest, NotFound, ChangedMeanwhile."""
        require_payload_size(body.get("payload"))
        parsed = parse(ChangeTask, body, CHANGE_ALIASES, Limits(self.clock(), 0))
        task = self._require_task(tenant, task_id)
        mask, payload_errors = self._check_payload(task, parsed.fields)
        errors = [*parsed.errors, *payload_errors]
        if not any(value is not None or name == "payload" for name, value in parsed.fields.items()):
            errors.append(FieldError("body", "give at least one of runAt, delaySeconds, priority, payload"))
        if errors or parsed.request is None:
            raise InvalidRequest(errors)
        keyed = keyed_change(header, parsed.request)
        payload = None
        for _ in range(TRIES):
            if keyed and task.last_change_mark and keyed.is_done_in([task.last_change_mark], id=task.id):
                return task
            if task.state not in CANCELLABLE:
                raise NotAllowedInState("task", task.id, "change", task.state)
            if payload is None and "payload" in parsed.fields:
                payload = self.documents.store_payload(tenant, task_id, parsed.fields["payload"])
            mark = keyed.mark if keyed else None
            changed = self._try_change(task, parsed.request, payload, mask, mark=mark)
            if changed is not None:
                return changed
            task = self._require_task(tenant, task_id)
        raise ChangedMeanwhile("task", task_id)

    def _try_change(
        self, task: Task, request: ChangeTask, payload: Document | None, mask: Mask | None, *, mark: str | None
    ) -> Task | None:
        """The task after the change; None when another request changed it between our read and our write."""
        now = self.clock()
        due = request.due_at(now)
        priority = task.priority if request.priority is None else request.priority
        available_at = task.available_at if due is None else due
        routing = self.dispatcher.routing
        is_moved = available_at != task.available_at or (
            routing.lane_of(task.type, priority) != routing.lane_of_task(task)
        )
        needs_wakeup = is_moved and task.state is not State.BLOCKED
        if needs_wakeup:
            # A crash after this leaves a wake-up of a generation that no record has: the worker drops it.
            at = max(available_at, now)
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=at, now=now, priority=priority)
        result = self.tasks.change(
            task,
            state=waiting_state(task, available_at, now) if needs_wakeup else None,
            generation=task.generation + 1 if needs_wakeup else None,
            available_at=available_at if is_moved else None,
            priority=priority if priority != task.priority or not (is_moved or payload) else None,
            payload=payload,
            mask=mask,
            mark=mark,
        )
        if not isinstance(result, Applied):
            return None
        if needs_wakeup:
            self._delete_timer(task, now)
        return result.task

    def _check_payload(self, task: Task, fields: Mapping[str, Any]) -> tuple[Mask | None, list[FieldError]]:
        """The mask of the new payload, and its errors."""
        if "payload" not in fields:
            return None, []
        try:
            return self.registry().find(task.type).accept(fields["payload"]), []
        except InvalidRequest as invalid:
            return None, list(invalid.errors)
        except UnknownTaskType:
            return None, [FieldError("payload", f"cannot be checked: this deployment has no handler for {task.type}")]

    def cancel(self, tenant: str, task_id: str, *, reason: str | None = None) -> Task:
        """The cancelled task; a task that is cancelled already stays as it is. Raises NotAllowedInState once the task
        has started; NotFound, ChangedMeanwhile."""
        task = self._require_task(tenant, task_id)
        for _ in range(TRIES):
            if task.state is State.CANCELLED:
                # The request that cancelled it may have died before it ran the consequences.
                self.consequences.run(task)
                return task
            if task.state not in CANCELLABLE:
                raise NotAllowedInState("task", task.id, "cancel", task.state)
            result = self.consequences.cancel(task, reason=f"{CANCEL_REASON}: {reason}" if reason else CANCEL_REASON)
            if isinstance(result, Applied):
                if task.state is not State.BLOCKED:
                    self._delete_timer(task, self.clock())
                return result.task
            task = self._require_task(tenant, task_id)
        raise ChangedMeanwhile("task", task_id)

    def _require_task(self, tenant: str, task_id: str) -> Task:
        task = self.tasks.get(tenant, task_id)
        if task is None:
            raise NotFound("task", task_id)
        return task

    def _delete_timer(self, task: Task, now: int) -> None:
        try:
            self.dispatcher.delete_timer(task, now=now)
        except Exception:
            # The request itself is done. The old wake-up comes, its generation is superseded, and the worker drops it.
            logger.warning("old timer left", exc_info=True, extra={"taskId": task.id})


def waiting_state(task: Task, available_at: int, now: int) -> State:
    """RETRY stays RETRY: the task has failed attempts."""
    if task.state is State.RETRY:
        return State.RETRY
    return State.PENDING if available_at > now else State.READY
