"""What a task and a run cost in the table: writes and units, from the code's own limits and plans.

tests/integration/test_model_costs.py counts the same on moto.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from functions.core.workflows.dag import make_plan
from functions.core.workflows.run import INDEXES_IN_RECORD
from functions.core.workflows.tallies import FAN_IN, tallies_on_level, tally_levels
from tests.model.workload import Shape, Workload

RECORD_KILOBYTES = 1
"""A small task's record at every step (docs/data-model.md)."""
NODE_DEFINITION_BYTES = 120
"""Of one node in a run's definition: name, type, policy, a small payload, its upstreams."""
DOCUMENT_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """Of one run in which every node succeeds at once. Write units unless they say otherwise."""

    nodes: int
    edges: int
    writes: int
    """To the table, one unit each, but for the definition."""
    units: float
    listing_units: int
    read_units: float
    joins: int
    tallies: int
    busiest_record_writes: int
    """To the record that most nodes write to: a tally or a join."""
    start_writes: int
    """Of those, by the workflow function: at the start, 16 side by side."""


def task_writes(workload: Workload) -> float:
    """Writes on a task's own record: put, claim, settle; claim and settle again for each further attempt."""
    return 3 + 2 * workload.retries_per_task


def task_units(workload: Workload) -> float:
    """Of the table, indexes apart: the record's writes, and the payload once when it does not ride in the record."""
    return RECORD_KILOBYTES * task_writes(workload) + workload.large_share * math.ceil(workload.large_kilobytes)


def task_read_units(workload: Workload) -> float:
    """The attempt reads a payload that is not in the record; callers read the record, consistently, and that item."""
    payload = workload.large_share * math.ceil(workload.large_kilobytes / 4)
    return (1 + workload.retries_per_task) * payload + workload.reads_per_task * (1 + payload)


@cache
def run_cost(shape: Shape) -> RunCost:
    made = make_plan(shape.nodes())
    nodes = made.steps[: made.nodes]
    joins = made.steps[made.nodes :]
    counters = sum(tallies_on_level(made.nodes, level) for level in range(tally_levels(made.nodes)))
    into_nodes = sum(len(step.waits_for) for step in nodes)
    into_joins = sum(len(step.waits_for) for step in joins)
    waiting = sum(1 for step in nodes if step.waits_for)
    chunked = sum(1 for step in nodes for many in (step.dependents, step.upstreams) if len(many) > INDEXES_IN_RECORD)
    chunks = sum(
        math.ceil((len(many) - INDEXES_IN_RECORD) / 120)
        for step in nodes
        for many in (step.dependents, step.upstreams)
        if len(many) > INDEXES_IN_RECORD
    )
    definition = NODE_DEFINITION_BYTES * made.nodes
    start = 1 + len(joins) + counters + chunks + made.nodes + 1
    # The last edge into a node releases it in one write; each one before it takes itself out of the set.
    run = made.nodes * 3 + (into_nodes - waiting) + into_joins + made.nodes + (counters - 1) + 1
    return RunCost(
        nodes=made.nodes,
        edges=made.edges,
        writes=start + run + (1 if 300 < definition <= DOCUMENT_BYTES else 0),
        units=start + run + (math.ceil(definition / 1024) if 300 < definition <= DOCUMENT_BYTES else 0),
        listing_units=1,
        read_units=made.nodes * 2 + into_nodes * 2 + chunked,
        joins=len(joins),
        tallies=counters,
        busiest_record_writes=min(FAN_IN, made.nodes) + 1,
        start_writes=start,
    )


def per_run(workload: Workload, of: str) -> float:
    """The mean of a RunCost's field over the workload's runs."""
    return sum(shape.runs_share * getattr(run_cost(shape), of) for shape in workload.shapes)
