"""The run of a workflow: its record, and the membership of its nodes. docs/adr/0007, 0008."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from taskyard.tasks.retry import RetryPolicy

from functions.core.payloads.masking import Mask
from functions.core.states import State
from functions.core.task import Document, RunMembership, id_for_key

if TYPE_CHECKING:
    from functions.core.workflows.dag import Plan, PlanStep

INDEXES_IN_CHUNK = 120
"""Indexes in one chunk item. The item stays under 1 KB."""
INDEXES_IN_RECORD = 40
RETRY_MARKS_LIMIT = 10
"""A run stores the marks of so many last retries, to recognize repeated requests."""
OPEN_NODES = "OPEN"
"""The key, in counts of nodes per state, of nodes that have not ended when their states were not read one by one."""


class RunState(StrEnum):
    """PENDING: accepted, its records are being written. RUNNING: nodes run. The others are final until a retry.

    The run's execution in Step Functions moves PENDING and RUNNING on. It retries each step; when a step cannot be
    done, it ends the run as FAILED with the reason. The deadline ends the run as TIMED_OUT.
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
    """`round`: 1, and one more for each retry of the run. `token`: the task token of the execution that waits for the
    end."""

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
    """A caller cancelled the run: the nodes that have not started are being cancelled."""
    retry_marks: tuple[str, ...] = ()
    """Marks of the last retries under an idempotency key (KeyedChange), oldest first."""
    has_failed_node: bool = False
    """A node failed in this round, and onFailure is cancel."""
    reason: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    """Nodes per state, of a run that has ended."""
    expires_at: int | None = None

    @property
    def ended(self) -> bool:
        return self.state not in OPEN_RUN_STATES


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node of a definition: validated, with the defaults of its type filled in."""

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


def run_id_for_key(tenant: str, key: str) -> str:
    """The id of the run that is submitted under an idempotency key."""
    return id_for_key(tenant, f"workflow\0{key}")


def node_task_id(run: str, index: int) -> str:
    """The task id of a node, or the id of a join: `<run>-<index>`."""
    return f"{run}-{index}"


def index_of_task_id(task_id: str) -> int:
    return int(task_id.rpartition("-")[2])


def make_membership(
    run: Run, step: PlanStep, *, deadline_at: int
) -> tuple[RunMembership, list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The node's membership, and the chunks of its releases and of its upstreams that do not fit the record.
    `deadline_at`: epoch seconds."""
    releases, more_releases = split_into_chunks(step.dependents)
    upstreams, more_upstreams = split_into_chunks(step.upstreams)
    member = RunMembership(
        run=run.id,
        round=run.round,
        nodes=run.nodes,
        fail_fast=run.on_failure == "cancel",
        deadline_at=deadline_at,
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
    """Index of each node and join that has not succeeded → indexes that it still waits for. A retry starts with these.

    `states`: of the nodes, by index. A join has succeeded when all that it gathers has succeeded.
    """
    done = {index for index, state in states.items() if state is State.SUCCESS}
    # A join may gather joins that come later in the plan, so the joins are passed over once for each level.
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
    """The final state of a run, and its reason. `ended_by`, from the execution: done, cancel, timeout or broken."""
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
