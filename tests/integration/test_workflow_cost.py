"""What a run costs does not grow with it: AWS calls and write units per node and per edge are those of a small one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from functions.core.workflows.run import NodeSpec
from tests.integration.quick import Quick
from tests.integration.workflows import spec, whole

Shape = Callable[[int], list[NodeSpec]]


def chain(size: int) -> list[NodeSpec]:
    return [spec(f"n{at}", *([f"n{at - 1}"] if at else [])) for at in range(size)]


def wide(size: int) -> list[NodeSpec]:
    names = [f"m{at}" for at in range(size - 2)]
    return [spec("first"), *(spec(name, "first") for name in names), spec("last", *names)]


def layers(size: int, width: int = 10) -> list[NodeSpec]:
    """Each node waits for all of the layer before: ten edges a node."""
    return [
        spec(f"n{at}", *(f"n{up}" for up in range(at // width * width - width, at // width * width) if up >= 0))
        for at in range(size)
    ]


def cost(quick: Quick, specs: list[NodeSpec]) -> Counter[str]:
    quick.counted.clear()
    _, end = whole(quick, specs)
    assert end["counts"] == {"SUCCESS": len(specs)}
    return Counter(quick.counted)


def told(counted: Counter[str], nodes: int) -> dict[str, float]:
    """Per node."""
    calls = sum(count for name, count in counted.items() if "." in name)
    return {"calls": calls / nodes, "units": counted["units"] / nodes, "refused": counted["refused"] / nodes}


@pytest.mark.parametrize("shape", [chain, wide, layers])
def test_the_cost_per_node_does_not_grow(shape: Shape, make_quick: Callable[[], Quick]) -> None:
    small, large = (told(cost(make_quick(), shape(size)), size) for size in (100, 400))
    print(shape.__name__, small, large)
    # Of `layers` the first ten nodes wait for nobody: a larger one has a few more edges a node.
    more = edges(shape(400)) - edges(shape(100))
    assert large["units"] <= small["units"] * 1.02 + more
    assert large["calls"] <= small["calls"] * 1.05 + 2 * more


def edges(specs: list[NodeSpec]) -> float:
    """Per node."""
    return sum(len(one.depends_on) for one in specs) / len(specs)


def test_a_node_costs_five_write_units_and_an_edge_one_at_most(make_quick: Callable[[], Quick]) -> None:
    """A node: put, release, claim, settle, and its place in the tally. The last upstream to end may be taken out of the
    set by the release itself; each other one is a write of its own."""
    few, many = (told(cost(make_quick(), shape), 300) for shape in (chain(300), layers(300)))
    print(f"chain: {few}, layers of ten: {many}, {edges(layers(300)):.2f} edges a node")
    assert few["units"] <= 5.2
    assert many["units"] <= 5.2 + edges(layers(300))
