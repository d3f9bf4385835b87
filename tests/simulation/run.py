"""One seed: a world, its workload, until it rests; then what must hold."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation import workload
from tests.simulation.fibers import Restless
from tests.simulation.functions import install
from tests.simulation.world import World


@dataclass
class Outcome:
    """`log`: the whole schedule, when asked for. `seconds`: real ones."""

    seed: int
    violations: list[str]
    counted: Counter[str]
    operations: Counter[str]
    injected: Counter[str]
    steps: int
    seconds: float
    log: list[str] = field(default_factory=list)


def run(seed: int, *, log: bool = False) -> Outcome:
    install()
    began = time.perf_counter()
    world = World(seed, log=log)
    workload.begin(world)
    try:
        world.hub.run()
    except Restless:
        world.violate("does not come to rest")
    else:
        world.watch.at_rest()
    return Outcome(
        seed,
        world.violations,
        world.counted,
        world.operations,
        Counter(world.injected),
        world.hub.steps,
        time.perf_counter() - began,
        world.log or [],
    )
