"""A workflow is refused with the reason, or planned so that no record waits for more than FAN_IN others."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.workflows.dag import (
    MAX_NODES,
    Node,
    find_cycle,
    find_errors,
    make_plan,
    node_ranks,
)
from functions.core.workflows.tallies import (
    FAN_IN,
    Tally,
    leaf_tally,
    parent_tally,
    tallies_on_level,
    tally_levels,
)


def random_dag(seed: int, size: int, most: int = 6) -> list[Node]:
    drawn = random.Random(seed)
    nodes = [
        Node(f"n{at}", tuple(f"n{drawn.randrange(at)}" for _ in range(drawn.randrange(most)) if at))
        for at in range(size)
    ]
    drawn.shuffle(nodes)
    return nodes


def reaches(shape, index: int) -> set[int]:
    """The nodes that `index` waits for, through joins."""
    found, open_ = set(), list(shape.steps[index].waits_for)
    while open_:
        at = open_.pop()
        if at < shape.nodes:
            found.add(at)
        else:
            open_ += shape.steps[at].waits_for
    return found


def test_a_cycle_is_named_in_the_order_in_which_its_nodes_would_run():
    nodes = [Node("a"), Node("b", ("a", "d")), Node("c", ("b",)), Node("d", ("c",)), Node("e", ("d",))]
    cycle = find_cycle(nodes)
    assert cycle is not None
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"b", "c", "d"}
    depends_on = {node.name: node.depends_on for node in nodes}
    assert all(before in depends_on[after] for before, after in itertools.pairwise(cycle))
    assert "cycle" in find_errors(nodes)[0].message


def test_of_a_cycle_that_nobody_would_read_both_ends_are_told():
    nodes = [Node(f"n{at}", (f"n{(at - 1) % 9_000}",)) for at in range(9_000)]
    (error,) = find_errors(nodes)
    path = error.message.partition(": ")[2].split(" → ")
    assert (len(path), path[10], path[0]) == (21, "… 8981 more …", path[-1])


def test_a_node_that_waits_for_itself_is_a_cycle_of_one():
    assert find_cycle([Node("a", ("a",))]) == ["a", "a"]


def test_unknown_names_and_duplicates_are_all_told_with_their_paths():
    found = find_errors([Node("a", ("x",)), Node("a"), Node("b", ("a", "y"))])
    assert [(error.field) for error in found] == ["nodes[1].name", "nodes[0].dependsOn[0]", "nodes[2].dependsOn[1]"]


@pytest.mark.parametrize(("count", "refused"), [(0, True), (1, False), (MAX_NODES, False), (MAX_NODES + 1, True)])
def test_size_limits(count: int, refused: bool):
    assert bool(find_errors([Node(f"n{at}") for at in range(count)])) is refused


def test_a_deep_chain_needs_no_recursion():
    nodes = [Node("n0")] + [Node(f"n{at}", (f"n{at - 1}",)) for at in range(1, MAX_NODES)]
    assert find_errors(nodes) == []
    assert node_ranks(nodes)["n9999"] == 9999


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 300))
def test_a_random_dag_is_planned_with_every_edge_and_no_wide_record(seed: int, size: int):
    nodes = random_dag(seed, size, most=70)
    assert find_errors(nodes) == []
    shape = make_plan(nodes)
    index = {node.name: at for at, node in enumerate(nodes)}
    for at, node in enumerate(nodes):
        wanted = {index[name] for name in node.depends_on}
        assert reaches(shape, at) == wanted == set(shape.steps[at].upstreams)
    assert all(len(step.waits_for) <= FAN_IN for step in shape.steps)
    assert all(step.index in shape.steps[upstream].dependents for step in shape.steps for upstream in step.waits_for)


def test_a_fan_in_of_ten_thousand_is_a_shallow_tree():
    nodes = [Node(f"n{at}") for at in range(MAX_NODES - 1)] + [
        Node("end", tuple(f"n{at}" for at in range(MAX_NODES - 1)))
    ]
    shape = make_plan(nodes)
    assert len(reaches(shape, MAX_NODES - 1)) == MAX_NODES - 1
    assert len(shape.steps) - shape.nodes < MAX_NODES / FAN_IN * 1.1


@pytest.mark.parametrize("nodes", [1, FAN_IN, FAN_IN + 1, FAN_IN**2, FAN_IN**2 + 1, MAX_NODES])
def test_every_node_is_counted_up_to_one_root(nodes: int):
    for index in {0, nodes // 2, nodes - 1}:
        tally: Tally | None = leaf_tally(index)
        climbed = 0
        while tally is not None:
            assert tally.number < tallies_on_level(nodes, tally.level)
            tally, climbed = parent_tally(tally, nodes), climbed + 1
        assert climbed == tally_levels(nodes)
