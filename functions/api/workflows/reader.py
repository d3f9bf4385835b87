"""GET /workflows…: lists, states and counts, nodes by page, the graph."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.api.paging import decode_cursor, encode_cursor, limit_of, newest_ids
from functions.api.request import QueryParameters
from functions.api.workflows import drawing, views
from functions.core.errors import FieldError, InvalidRequest
from functions.core.states import State
from functions.core.task import RunMembership, Task
from functions.core.workflows import definition
from functions.core.workflows.run import OPEN_NODES, NodeSpec, Run, index_of_task_id, node_task_id
from functions.core.workflows.tallies import tallies_on_level
from functions.intake import workflow_views
from functions.intake.task_views import workflow_reference
from functions.runtime.run_consequences import RunConsequences
from functions.store import keys
from functions.store.documents import Documents
from functions.store.listings import ListingIndex, Listings
from functions.store.runs import RunStore
from functions.store.tasks import TaskStore

if TYPE_CHECKING:
    from functions.api.workflows import schemas
    from functions.intake.task_schemas import WorkflowReference

RUN_INDEX = ListingIndex("listing", "listPk", "listSk", keys.run_listing_partition)
RECORDS_READ_LIMIT = 500
"""Nodes whose states are read, half a read unit each, for the counts of a run that has not ended."""
CURSOR_SCOPE = "runs"


@dataclass(frozen=True, kw_only=True)
class WorkflowReader:
    runs: RunStore
    tasks: TaskStore
    documents: Documents
    members: RunConsequences

    # -- lists

    def page(self, tenant: str, query: QueryParameters) -> schemas.WorkflowList:
        """Newest first."""
        page = newest_ids(Listings(self.tasks, RUN_INDEX), tenant, query, scope=CURSOR_SCOPE)
        runs = self.runs.get_by_ids(tenant, page.ids)
        # The index may still list a run whose record has expired.
        summaries = [workflow_views.summary(runs[run_id]) for run_id in page.ids if run_id in runs]
        return {"workflows": summaries, "cursor": page.cursor}

    # -- one

    def detail(self, run: Run, query: QueryParameters, *, now: int) -> schemas.Workflow:
        """The run with a page of its nodes. Raises InvalidRequest."""
        errors = list(query.errors)
        limit = limit_of(query, errors)
        if errors:
            raise InvalidRequest(errors)
        cursor = query.get("cursor")
        start = 0 if cursor is None else first_index(cursor, run)
        indexes = range(start, min(start + limit, run.nodes))
        tasks = self._tasks(run, indexes)
        specs = self._specs(run) if len(tasks) < len(indexes) else []
        nodes = [
            views.node(tasks[index], now=now) if index in tasks else views.missing_node(run, index, specs[index])
            for index in indexes
        ]
        has_more = start + limit < run.nodes
        return {
            **workflow_views.summary(run, self.counts(run, now=now)),  # type: ignore[typeddict-item]  # it has no `notifications`
            "nodes": nodes,
            "cursor": encode_cursor(f"{run.id}:{start + limit}") if has_more else None,
        }

    def counts(self, run: Run, *, now: int) -> dict[str, int]:
        """Nodes per state. The tallies count the nodes that have ended; the records of the others are read, if there
        are at most RECORDS_READ_LIMIT."""
        if run.ended and OPEN_NODES not in run.counts:
            return run.counts
        tallied = self.runs.summarize_tallies(run, tallies_on_level(run.nodes, 0))
        if not tallied.complete:
            return {str(State.BLOCKED) if run.round == 1 and not run.ended else OPEN_NODES: run.nodes}
        counts = dict(tallied.counts)
        if len(tallied.open) > RECORDS_READ_LIMIT:
            return counts | {OPEN_NODES: len(tallied.open)}
        for task in self._tasks(run, tallied.open).values():
            state = str(task.state_at(now))
            counts[state] = counts.get(state, 0) + 1
        if unread := run.nodes - sum(counts.values()):
            counts[OPEN_NODES] = unread
        return counts

    def graph(self, run: Run, format_: str, *, now: int) -> str:
        """`format_`: a key of MEDIA_TYPES."""
        specs = self._specs(run)
        states = {spec.name: str(State.BLOCKED) for spec in specs}
        states |= {specs[at].name: str(task.state_at(now)) for at, task in self._tasks(run, range(run.nodes)).items()}
        title = f"{run.name} ({run.id}): {run.state}"
        return drawing.draw(format_, definition.dag_nodes(specs), states, title=title)

    def reference(self, task: Task, member: RunMembership) -> WorkflowReference:
        """The workflow of a node, with its name."""
        run = self.runs.get(task.tenant, member.run)
        return workflow_reference(member, run.name if run else None)

    def upstream_ids(self, task: Task, member: RunMembership) -> list[str]:
        """The tasks that must succeed before a node."""
        return [node_task_id(member.run, index) for index in self.members.upstream_indexes(task, member)]

    def _tasks(self, run: Run, indexes: Iterable[int]) -> dict[int, Task]:
        tasks = self.tasks.get_by_ids(run.tenant, (node_task_id(run.id, index) for index in indexes))
        return {index_of_task_id(task.id): task for task in tasks.values()}

    def _specs(self, run: Run) -> list[NodeSpec]:
        return definition.definition_from_json(self.documents.read(run.tenant, run.id, run.definition))


def first_index(cursor: str, run: Run) -> int:
    """Of the page of nodes that the cursor names. Raises InvalidRequest."""
    run_id, _, index = decode_cursor(cursor).partition(":")
    if run_id != run.id or not re.fullmatch(r"[0-9]{1,5}", index):
        raise InvalidRequest([FieldError("cursor", "is not one that this API has given for this workflow")])
    return int(index)
