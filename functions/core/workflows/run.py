"""A workflow's run: its record, and what ties a task to it as a node. docs/adr/0007, 0008."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from taskyard.tasks.retry import RetryPolicy

from functions.core.payloads.masking import Mask
from functions.core.states import State
from functions.core.task import Document, RunMembership, lane_of
from functions.core.workflows.dag import Plan, PlanStep

INDEXES_IN_CHUNK = 120
"""Indexes a record holds beside its own fields, or a chunk item holds alone: under a kilobyte either way."""
INDEXES_IN_RECORD = 40
RETRY_MARKS_LIMIT = 10
"""Retries of a run that are known again by their idempotency key."""
OPEN_NODES = "OPEN"
"""In counts of nodes per state: those that have not ended, when nobody looked at each of them."""


class RunState(StrEnum):
    """PENDING: accepted, its records are being written. RUNNING: nodes run. The rest is final, but for a retry.

    PENDING and RUNNING are moved on by the run's execution in Step Functions, which tries each step again and, when a
    step cannot be done, ends the run as FAILED with the reason; its deadline ends it as TIMED_OUT.
    """

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


OPEN_RUN_STATES = frozenset({RunState.PENDING, RunState.RUNNING})


@dataclass(frozen=True, kw_only=True)
class Run:
    """`round` counts the retries of the run, from 1. `token`: Step Functions' task token while it waits for the end."""

    tenant: str
    id: str
    name: str
    state: RunState
    round: int = 1
    nodes: int
    edges: int
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    deadline_seconds: int
    on_failure: Literal["continue", "cancel"] = "continue"
    definition: Document
    digest: str
    idempotency_key: str | None = None
    notify: tuple[dict[str, Any], ...] = ()
    token: str | None = None
    cancel_requested: bool = False
    """Asked to: what has not started is being cancelled."""
    retry_marks: tuple[str, ...] = ()
    """Marks of the last retries under an idempotency key (KeyedChange), oldest first."""
    has_failed_node: bool = False
    """A node failed in this round, and onFailure is cancel."""
    reason: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Of a run that has ended: nodes per state."""
    expires_at: int | None = None

    @property
    def ended(self) -> bool:
        return self.state not in OPEN_RUN_STATES


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node of a definition, validated and with its type's defaults filled in."""

    name: str
    type: str
    payload: Any
    mask: Mask | None = None
    depends_on: tuple[str, ...]
    priority: int
    timeout_seconds: int
    retry: RetryPolicy
    available_at: int
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def lane(self) -> str:
        return lane_of(self.priority)


def node_id(run: str, index: int) -> str:
    """Of a node, or of a join: `<run>-<index>`."""
    return f"{run}-{index}"


def index_of_task_id(task_id: str) -> int:
    return int(task_id.rpartition("-")[2])


def make_membership(
    run: Run, step: PlanStep, *, until: int
) -> tuple[RunMembership, list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The node's tie to its run, and the chunks of its releases and of its upstreams that do not fit its record.
    `until`: epoch seconds."""
    releases, more_releases = split_into_chunks(step.dependents)
    upstreams, more_upstreams = split_into_chunks(step.upstreams)
    member = RunMembership(
        run=run.id,
        round=run.round,
        nodes=run.nodes,
        fail_fast=run.on_failure == "cancel",
        deadline_at=until,
        index=step.index,
        name=step.name or "",
        releases=releases,
        release_chunks=len(more_releases),
        upstreams=upstreams,
        upstream_chunks=len(more_upstreams),
    )
    return member, more_releases, more_upstreams


def split_into_chunks(indexes: tuple[int, ...]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    rest = indexes[INDEXES_IN_RECORD:]
    return indexes[:INDEXES_IN_RECORD], [
        rest[start : start + INDEXES_IN_CHUNK] for start in range(0, len(rest), INDEXES_IN_CHUNK)
    ]


def remaining_upstreams(plan: Plan, states: dict[int, State]) -> dict[int, frozenset[int]]:
    """Index of every node and join that has not succeeded → what it still waits for. A retry starts from this.

    `states`: of the nodes, by index. A join has succeeded when everything that it gathers has.
    """
    done = {index for index, state in states.items() if state is State.SUCCESS}
    # Joins come after what they gather only within one level: settle them bottom up, each level once.
    joins = plan.steps[plan.nodes :]
    changed = True
    while changed:
        before = len(done)
        done |= {join.index for join in joins if done.issuperset(join.waits_for)}
        changed = len(done) != before
    return {step.index: frozenset(step.waits_for) - done for step in plan.steps if step.index not in done}


def end_state_and_reason(
    counts: dict[str, int], *, nodes: int, ended_by: str, cancelled: bool
) -> tuple[RunState, str | None]:
    """How a run ends. `ended_by`: what its execution says: done, cancel, timeout, or broken."""
    if counts.get(State.SUCCESS, 0) == nodes:
        return RunState.SUCCESS, None
    if cancelled:
        return RunState.CANCELLED, "cancelled by request"
    if ended_by == "timeout":
        return RunState.TIMED_OUT, "its deadline passed; what had not started was cancelled"
    if ended_by == "broken":
        return RunState.FAILED, "a step of the run itself failed; see the execution in Step Functions"
    if ended_by == "cancel":
        return RunState.FAILED, "a node failed, and onFailure is cancel"
    bad = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()) if state != State.SUCCESS)
    return RunState.FAILED, f"not every node succeeded: {bad}"
