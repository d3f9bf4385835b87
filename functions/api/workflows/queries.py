"""GET /workflows…: lists, states and counts, nodes by page, the graph."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.api.paging import newest_first, read
from functions.api.workflows import drawing
from functions.api.workflows import views as views
from functions.core.errors import FieldError, InvalidRequest
from functions.core.states import State
from functions.core.task import Membership, Task
from functions.core.workflows import definition
from functions.core.workflows.dag import tallies
from functions.core.workflows.run import OPEN, NodeSpec, Run, index_of, node_id
from functions.runtime.run_consequences import RunConsequences
from functions.store import keys
from functions.store.documents import Documents
from functions.store.listings import Index, Listings
from functions.store.runs import RunStore
from functions.store.tasks import TaskStore

RUNS = Index("listing", "listPk", "listSk", keys.run_listing_partition)
LOOKED_AT = 500
"""Nodes whose states are read, half a read unit each, to tell the counts of a run under way."""
MARK = "runs"

FORMATS = {
    "mermaid": "text/vnd.mermaid; charset=utf-8",
    "dot": "text/vnd.graphviz; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}
ACCEPTED = {"text/vnd.mermaid": "mermaid", "text/vnd.graphviz": "dot", "image/svg+xml": "svg"}


@dataclass(frozen=True, kw_only=True)
class WorkflowLook:
    runs: RunStore
    tasks: TaskStore
    documents: Documents
    members: RunConsequences

    # -- lists

    def page(self, tenant: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Newest first."""
        page = newest_first(Listings(self.tasks, RUNS), tenant, parameters, mark=MARK)
        found = self.runs.get_many(tenant, page.ids)
        # One that is not there: retention took it, and the index is about to follow.
        rows = [views.summary(found[identifier]) for identifier in page.ids if identifier in found]
        return {"workflows": rows, "cursor": page.cursor}

    # -- one

    def full(self, run: Run, parameters: Mapping[str, str], *, now: int) -> dict[str, Any]:
        """With a page of its nodes."""
        limit, given = read(parameters)
        start = 0 if given is None else offset(given, run)
        indexes = range(start, min(start + limit, run.nodes))
        found = self._tasks(run, indexes)
        specs = self._specs(run) if len(found) < len(indexes) else []
        nodes = [
            views.node(found[index], now=now) if index in found else views.unwritten(run, index, specs[index])
            for index in indexes
        ]
        more = start + limit < run.nodes
        return views.summary(run, self.counts(run, now=now)) | {
            "nodes": nodes,
            "cursor": encoded(f"{run.id}:{start + limit}") if more else None,
        }

    def counts(self, run: Run, *, now: int) -> dict[str, int]:
        """Nodes per state. Those that have ended are counted already; the others are looked at, if they are few."""
        if run.ended and OPEN not in run.counts:
            return run.counts
        tallied = self.runs.tallies(run, tallies(run.nodes, 0))
        if not tallied.complete:
            return {str(State.BLOCKED) if run.round == 1 and not run.ended else OPEN: run.nodes}
        counts = dict(tallied.counts)
        if len(tallied.open) > LOOKED_AT:
            return counts | {OPEN: len(tallied.open)}
        for task in self._tasks(run, tallied.open).values():
            state = str(task.seen_at(now))
            counts[state] = counts.get(state, 0) + 1
        if unseen := run.nodes - sum(counts.values()):
            counts[OPEN] = unseen
        return counts

    def graph(self, run: Run, kind: str, *, now: int) -> str:
        """`kind`: one of FORMATS."""
        specs = self._specs(run)
        states = {spec.name: str(State.BLOCKED) for spec in specs}
        states |= {specs[at].name: str(task.seen_at(now)) for at, task in self._tasks(run, range(run.nodes)).items()}
        title = f"{run.name} ({run.id}): {run.state}"
        return drawing.draw(kind, definition.shape(specs), states, title=title)

    def tie(self, task: Task, member: Membership) -> dict[str, Any]:
        """What a task's own view says of the workflow whose node it is, and the tasks that it waits or waited for."""
        run = self.runs.get(task.tenant, member.run)
        upstreams = self.members.upstream_indexes(task, member)
        return {
            "workflow": {
                "id": member.run,
                "name": run.name if run else None,
                "node": member.name,
                "round": member.round,
            },
            "dependencies": [node_id(member.run, index) for index in upstreams],
        }

    def _tasks(self, run: Run, indexes: Iterable[int]) -> dict[int, Task]:
        found = self.tasks.get_many(run.tenant, (node_id(run.id, index) for index in indexes))
        return {index_of(task.id): task for task in found.values()}

    def _specs(self, run: Run) -> list[NodeSpec]:
        return definition.read(self.documents.read(run.tenant, run.id, run.definition))


def format_of(parameters: Mapping[str, str], accept: str | None) -> str:
    """By the parameter `format`, else by the Accept header, else Mermaid. Raises InvalidRequest."""
    errors = [FieldError(name, "is not a known parameter") for name in parameters if name != "format"]
    asked = parameters.get("format")
    if asked and asked not in FORMATS:
        errors.append(FieldError("format", f"must be one of {', '.join(FORMATS)}"))
    if errors:
        raise InvalidRequest(errors)
    if asked:
        return asked
    ranges = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    return next((ACCEPTED[one] for one in ranges if one in ACCEPTED), "mermaid")


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def offset(given: str, run: Run) -> int:
    """Where the next page of nodes begins."""
    try:
        padded = given.encode() + b"=" * (-len(given) % 4)
        of, _, start = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError):
        of, start = "", ""
    if of != run.id or not re.fullmatch(r"[0-9]{1,5}", start):
        raise InvalidRequest([FieldError("cursor", "is not one that this API has given for this workflow")])
    return int(start)
