"""Whatever the DAG and whatever goes wrong on the way: order is respected, each node is released once, runs once, and
the run is told once all have ended. Held against every write of a record.

TASKYARD_SEEDS and TASKYARD_NODES ask for more of it.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from functions.core.workflows.run import NodeSpec
from tests.integration.quick import Quick
from tests.integration.workflows import current, executed, nodes, random_specs, spec, states, step, submit, whole

SEEDS = range(int(os.environ.get("TASKYARD_SEEDS", "2")))
NODES = int(os.environ.get("TASKYARD_NODES", "2000"))


class Order:
    """Watches the records. `releases`, `claims`: how often each node was. `wrong`: what must never be; not raised
    where it is seen, since a worker would take it for a handler's error and try again."""

    def __init__(self, quick: Quick, specs: Sequence[NodeSpec]) -> None:
        self.upstreams = {spec.name: set(spec.depends_on) for spec in specs}
        self.succeeded: set[str] = set()
        self.releases: Counter[str] = Counter()
        self.claims: Counter[str] = Counter()
        self.wrong: list[str] = []
        quick.watch = self.seen

    def seen(self, before: Any, after: Any) -> None:
        if before is None or after is None:
            return
        name, was, is_ = after["name"]["S"], before["state"]["S"], after["state"]["S"]
        if was == "BLOCKED" and is_ in ("READY", "PENDING"):
            self.releases[name] += 1
            self.hold(self.upstreams[name] <= self.succeeded, f"{name} released too early")
        if is_ == "RUNNING" and before["attempt"] != after["attempt"]:
            self.claims[name] += 1
            self.hold(self.upstreams[name] <= self.succeeded, f"{name} ran too early")
            self.hold(name not in self.succeeded, f"{name} ran again after it had succeeded")
        if is_ == "SUCCESS" and was != "SUCCESS":
            self.succeeded.add(name)

    def hold(self, fact: bool, otherwise: str) -> None:
        if not fact:
            self.wrong.append(otherwise)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_dag_respects_the_order_and_runs_each_node_once(quick: Quick, seed: int) -> None:
    specs = random_specs(seed, NODES)
    order = Order(quick, specs)
    _, end = whole(quick, specs)
    assert end == {"state": "SUCCESS", "counts": {"SUCCESS": NODES}}
    names = {spec.name for spec in specs}
    assert order.claims == Counter(names)
    assert order.releases == Counter(names)
    assert not order.wrong
    assert [said for _, said in quick.told] == [{"outcome": "done"}]


@pytest.mark.parametrize("seed", SEEDS)
def test_under_duplicates_disorder_and_deaths_it_is_the_same(quick: Quick, seed: int) -> None:
    """One percent of all AWS calls are the last of their process, in the worker and in the run's own steps."""
    specs = [spec(one.name, *one.depends_on, attempts=50) for one in random_specs(seed, 200)]
    order = Order(quick, specs)
    quick.chaos, quick.deaths, quick.duplicates = random.Random(seed), 10, 0.1
    run, end = whole(quick, specs)
    quick.chaos = None
    quick.work_off()
    assert quick.died
    assert set(states(run).values()) == {"SUCCESS"}
    assert step(quick, "finish", run, outcome="done") == {"state": "SUCCESS", "counts": {"SUCCESS": 200}} == end
    assert order.releases == Counter({spec.name: 1 for spec in specs})
    assert not order.wrong
    # A process that dies between claim and settle costs an attempt; none runs after its success (see Order).
    assert {name for name, task in nodes(run).items() if task.attempt != order.claims[name]} == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_failures_under_duplicates_and_deaths_skip_exactly_the_descendants(quick: Quick, seed: int) -> None:
    drawn = random.Random(seed)
    specs = [
        spec(one.name, *one.depends_on, attempts=30)
        if drawn.random() > 0.03
        else spec(one.name, *one.depends_on, type="FAIL_SOMETIMES", payload={"probability": 1})
        for one in random_specs(seed, 150, most=3)
    ]
    order = Order(quick, specs)
    quick.chaos, quick.deaths, quick.duplicates = random.Random(seed), 3, 0.1
    run, end = whole(quick, specs)
    quick.chaos = None
    quick.work_off()
    found = states(run)
    bad = {name for name, state in found.items() if state == "DEAD"}
    behind: set[str] = set()
    while True:
        more = {s.name for s in specs if set(s.depends_on) & (bad | behind)} - bad - behind
        if not more:
            break
        behind |= more
    assert {name for name, state in found.items() if state == "SKIPPED"} == behind
    assert {name for name, state in found.items() if state == "SUCCESS"} == found.keys() - bad - behind
    assert end["counts"] == dict(Counter(found.values()))
    assert current(run).state == ("FAILED" if bad else "SUCCESS")
    assert not order.wrong


def fan(width: int) -> list[NodeSpec]:
    names = [f"m{at}" for at in range(width)]
    return [spec("first"), *(spec(name, "first") for name in names), spec("last", *names)]


def test_every_shape_is_run_in_order_once_and_by_the_same_transitions(make_quick: Callable[[], Quick]) -> None:
    """A node, a diamond, a chain of fifty, a fan-out and fan-in of a thousand, a random DAG of two thousand."""
    shapes = [
        [spec("a")],
        [spec("a"), spec("b", "a"), spec("c", "a"), spec("d", "b", "c")],
        [spec(f"n{at}", *([f"n{at - 1}"] if at else [])) for at in range(50)],
        fan(1000),
        random_specs(1, NODES),
    ]
    moves = []
    for specs in shapes:
        quick = make_quick()
        order = Order(quick, specs)
        entered, end = executed(quick, submit(quick, specs))
        assert end == {"state": "SUCCESS", "counts": {"SUCCESS": len(specs)}}
        assert order.claims == order.releases == Counter(one.name for one in specs)
        assert not order.wrong
        moves.append(entered)
    assert moves == [["Start", "Run", "Finish"]] * len(shapes)


@pytest.mark.parametrize("outcome", ["timeout", "cancel"])
def test_a_run_that_ends_in_its_middle_lets_nothing_start_after(quick: Quick, outcome: str) -> None:
    specs = random_specs(7, 300)
    run = submit(quick, specs)
    step(quick, "start", run)
    step(quick, "release", run, token="token")
    quick.work_off(most=90)
    end = step(quick, "finish", run, outcome=outcome)
    done = {name for name, state in states(run).items() if state == "SUCCESS"}
    quick.work_off()
    after = states(run)
    assert {name for name, state in after.items() if state == "SUCCESS"} == done
    assert end["counts"] == dict(Counter(after.values()))
