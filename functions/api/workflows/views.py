"""Runs and their nodes → JSON, in the shapes of schemas.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.core.states import State
from functions.core.task import Task
from functions.core.times import iso_time, iso_time_or_none
from functions.core.workflows.run import NodeSpec, Run, node_task_id
from functions.intake.task_views import progress_view

if TYPE_CHECKING:
    from functions.api.workflows import schemas


def node(task: Task, *, now: int) -> schemas.WorkflowNodeView:
    assert task.membership is not None
    last = task.history[-1] if task.history and task.state is not State.SUCCESS else None
    return {
        "id": task.id,
        "name": task.membership.name,
        "type": task.type,
        "state": task.state_at(now),
        "reason": task.reason,
        "attempt": task.attempt,
        "maxAttempts": task.retry.max_attempts,
        "runAt": iso_time(task.available_at),
        "startedAt": iso_time_or_none(task.started_at),
        "endedAt": iso_time_or_none(task.ended_at),
        "error": last.error if last else None,
        "errorType": last.error_type if last else None,
        "progress": progress_view(task.progress),
    }


def missing_node(run: Run, index: int, spec: NodeSpec) -> schemas.WorkflowNodeView:
    """A node without a record: its run is being started, or the record expired before that of the run."""
    return {
        "id": node_task_id(run.id, index),
        "name": spec.name,
        "type": spec.type,
        "state": State.BLOCKED,
        "reason": "its record has expired" if run.ended else "its run is being started",
        "attempt": 0,
        "maxAttempts": spec.retry.max_attempts,
        "runAt": iso_time(spec.available_at),
        "startedAt": None,
        "endedAt": None,
        "error": None,
        "errorType": None,
        "progress": None,
    }
