"""Runs → JSON in short, in the shapes of workflow_schemas.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from functions.core.times import iso_time, iso_time_or_none
from functions.core.workflows.run import OPEN_NODES, Run
from functions.intake.task_views import notify_targets

if TYPE_CHECKING:
    from functions.intake import workflow_schemas as schemas


def summary(run: Run, counts: Mapping[str, int] | None = None) -> schemas.WorkflowSummary:
    """`counts`: nodes per state. None: those of the record, which are complete once the run has ended."""
    return {
        "id": run.id,
        "name": run.name,
        "state": run.state,
        "reason": run.reason,
        "round": run.round,
        "nodeCount": run.nodes,
        "edgeCount": run.edges,
        "counts": dict(sorted((counts or run.counts or {OPEN_NODES: run.nodes}).items())),
        "cancelRequested": run.cancel_requested,
        "createdAt": iso_time(run.created_at),
        "startedAt": iso_time_or_none(run.started_at),
        "endedAt": iso_time_or_none(run.ended_at),
        "deadlineSeconds": run.deadline_seconds,
        "onFailure": run.on_failure,
        "notify": notify_targets(run.notify),
        "idempotencyKey": run.idempotency_key,
    }
