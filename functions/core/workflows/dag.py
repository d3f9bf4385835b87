"""The DAG of a workflow: its validation, and the plan by which its nodes release each other.

No record grows with the DAG. A node with more than FAN_IN upstreams waits for joins, each of which waits for at most
FAN_IN. A tree of tallies of the same width (functions/core/workflows/tallies.py) tells when the run is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from functions.core.errors import FieldError
from functions.core.workflows.tallies import FAN_IN

MAX_NODES = 10_000
MAX_EDGES = 100_000
CYCLE_NAMES_AT_EACH_END = 10
"""The error message shows so many names at each end of a long cycle."""


@dataclass(frozen=True)
class Node:
    """A node as submitted. `depends_on`: names of other nodes."""

    name: str
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanStep:
    """One record of a run: a node (`name`), or a join (`name` is None), which only gathers. Numbers are indexes of the
    plan."""

    index: int
    name: str | None
    waits_for: tuple[int, ...]
    upstreams: tuple[int, ...]
    """The nodes whose results it reads. A join has none."""
    dependents: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The nodes in the order of the request, then the joins."""

    steps: tuple[PlanStep, ...]
    nodes: int
    edges: int


def find_errors(nodes: Sequence[Node]) -> list[FieldError]:
    """All errors, each with the path of its field. Empty when the nodes are a DAG within the limits."""
    if not nodes:
        return [FieldError("nodes", "a workflow needs at least one node")]
    if len(nodes) > MAX_NODES:
        return too_many_nodes_error(len(nodes))
    errors = [*duplicate_names(nodes), *unknown_dependencies(nodes)]
    edges = sum(len(set(node.depends_on)) for node in nodes)
    if edges > MAX_EDGES:
        errors.append(FieldError("nodes", f"{edges} edges are more than the {MAX_EDGES} that a workflow may have"))
    if not errors and (cycle := find_cycle(nodes)):
        errors.append(
            FieldError("nodes", f"the nodes wait for each other in a cycle: {' → '.join(shorten_cycle(cycle))}")
        )
    return errors


def shorten_cycle(cycle: list[str]) -> list[str]:
    """The two ends of a long cycle."""
    left_out = len(cycle) - 2 * CYCLE_NAMES_AT_EACH_END
    return (
        cycle
        if left_out <= 1
        else [*cycle[:CYCLE_NAMES_AT_EACH_END], f"… {left_out} more …", *cycle[-CYCLE_NAMES_AT_EACH_END:]]
    )


def too_many_nodes_error(count: int) -> list[FieldError]:
    return [FieldError("nodes", f"{count} nodes are more than the {MAX_NODES} that a workflow may have")]


def duplicate_names(nodes: Sequence[Node]) -> Iterator[FieldError]:
    first: dict[str, int] = {}
    for at, node in enumerate(nodes):
        if node.name in first:
            yield FieldError(f"nodes[{at}].name", f"{node.name!r} is the name of nodes[{first[node.name]}] already")
        else:
            first[node.name] = at


def unknown_dependencies(nodes: Sequence[Node]) -> Iterator[FieldError]:
    names = {node.name for node in nodes}
    for at, node in enumerate(nodes):
        for nth, name in enumerate(node.depends_on):
            if name not in names:
                yield FieldError(f"nodes[{at}].dependsOn[{nth}]", f"no node is named {name!r}")


def find_cycle(nodes: Sequence[Node]) -> list[str] | None:
    """A cycle as names, the first and the last one the same, each followed by one that waits for it. None: no cycle."""
    try:
        TopologicalSorter({node.name: node.depends_on for node in nodes}).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        return cycle
    return None


def make_plan(nodes: Sequence[Node]) -> Plan:
    """`nodes` have no errors."""
    index = {node.name: at for at, node in enumerate(nodes)}
    upstreams = [tuple(sorted({index[name] for name in node.depends_on})) for node in nodes]
    waits_for = list(upstreams)
    for at in range(len(nodes)):
        while len(waits_for[at]) > FAN_IN:
            joins = []
            for group in fan_in_groups(waits_for[at]):
                joins.append(len(waits_for))
                waits_for.append(group)
            waits_for[at] = tuple(joins)
    dependents: list[list[int]] = [[] for _ in waits_for]
    for at, waiting in enumerate(waits_for):
        for upstream in waiting:
            dependents[upstream].append(at)
    steps = tuple(
        PlanStep(
            index=at,
            name=nodes[at].name if at < len(nodes) else None,
            waits_for=waits_for[at],
            upstreams=upstreams[at] if at < len(nodes) else (),
            dependents=tuple(dependents[at]),
        )
        for at in range(len(waits_for))
    )
    return Plan(steps=steps, nodes=len(nodes), edges=sum(len(ups) for ups in upstreams))


def fan_in_groups(indexes: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(indexes[start : start + FAN_IN]) for start in range(0, len(indexes), FAN_IN)]


def node_ranks(nodes: Sequence[Node]) -> dict[str, int]:
    """Name → the longest path from a root to the node, 0 for a root. `nodes` have no errors."""
    upstreams = {node.name: node.depends_on for node in nodes}
    ranks: dict[str, int] = {}
    for name in TopologicalSorter(upstreams).static_order():
        ranks[name] = max((ranks[upstream] + 1 for upstream in upstreams[name]), default=0)
    return ranks
