"""One seed: a world, its workload, until it rests; then what must hold."""

from __future__ import annotations

import gc
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation import workload, workload_runs, workload_schedules  # noqa: F401 - each has workloads
from tests.simulation.fibers import Restless
from tests.simulation.seams import install
from tests.simulation.world import World

EXPIRING_ONE_IN = 3
"""So many seeds go on until TTL has removed all tasks."""


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


def run(seed: int, *, log: bool = False, only: str | None = None) -> Outcome:
    """`only`: the name of one workload, to look for trouble in that corner."""
    install()
    # What a seed leaves is collected when it is over: a third of the time.
    gc.disable()
    try:
        return outcome(seed, log=log, only=only)
    finally:
        gc.enable()


def outcome(seed: int, *, log: bool, only: str | None) -> Outcome:
    began = time.perf_counter()
    world = World(seed, log=log)
    workload.begin(world, only)
    try:
        world.hub.run()
        world.watch.at_rest()
        if world.faults.random.randrange(EXPIRING_ONE_IN) == 0:
            world.expire()
            world.watch.after_expiry()
    except Restless:
        world.violate("does not come to rest")
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
