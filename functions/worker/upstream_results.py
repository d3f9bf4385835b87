"""The results of the tasks that a task depends on, as its handler reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.core.task import Task
from functions.core.workflows.run import node_task_id
from functions.runtime.run_consequences import RunConsequences
from functions.store.documents import Documents
from functions.store.tasks import TaskStore


class UpstreamResults:
    def __init__(self, tasks: TaskStore, documents: Documents, runs: RunConsequences) -> None:
        self.tasks = tasks
        self.documents = documents
        self.runs = runs

    def read(self, task: Task) -> dict[str, Any]:
        """By task id. By node name when `task` is a node of a workflow."""
        ids: Sequence[str] = task.dependencies
        if task.membership is not None:
            indexes = self.runs.upstream_indexes(task, task.membership)
            ids = [node_task_id(task.membership.run, index) for index in indexes]
        if not ids:
            return {}
        upstreams = self.tasks.get_by_ids(task.tenant, ids, consistent=True)
        # A task outside of workflows may depend on nodes of several runs. Node names are unique within one run only, so
        # such a task reads by id.
        return {
            upstream.membership.name if task.membership and upstream.membership else upstream.id: self.documents.read(
                upstream.tenant, upstream.id, upstream.result
            )
            for upstream in upstreams.values()
        }
