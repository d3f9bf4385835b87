"""The task type of the simulation: its payload is the script of what each attempt does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from taskyard.tasks.context import Context
from taskyard.tasks.declaration import task
from taskyard.tasks.errors import InDoubt, Permanent, Retry
from taskyard.tasks.retry import RetryPolicy

import functions.tasks
from functions.build.task_types import discover
from functions.core.outcomes import Failed, LoopBlocked
from functions.core.pools import DEFAULT, Pool
from functions.core.task_types import RegisteredType, Registry
from functions.worker.execution import Execution, Executor
from tests.simulation.deployment import CONFIG, POOL
from tests.simulation.fibers import SECOND, running

TYPE = "SIMULATED"
POOLED = "SIMULATED_IN_POOL"
"""In the second pool."""
MOVED = "SIMULATED_AND_MOVED"
"""In the default pool; a deployment moves it to the second one."""
IMAGES = Pool(POOL, (POOL,), CONFIG.worker_timeout_seconds, True)
START = 1_769_940_000 * SECOND
"""Of each world: 2026-02-01T10:00:00Z."""
DEPLOYED_WITHIN = 200 * SECOND
FUNCTION_LAG = 20 * SECOND


class Deployment:
    """When each function of a seed's world gets the code in which MOVED is in the second pool. One after the other, as
    in a deployment: for some seconds two functions disagree."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"deployment {seed}")
        self.begins = START + self.random.randrange(DEPLOYED_WITHIN)
        self.at: dict[str, int] = {}

    def has_moved(self, function: str, now: int) -> bool:
        if function not in self.at:
            self.at[function] = self.begins + self.random.randrange(FUNCTION_LAG)
        return now >= self.at[function]


class Failing(Exception):
    pass


class HeldOff(Exception):
    """Stands for the end of a coroutine whose event loop was held by another; `stuck`: until the process ended."""

    def __init__(self, stuck: bool) -> None:
        super().__init__(stuck)
        self.stuck = stuck


class SimulatedExecutor(Executor):
    """No event loop runs here: a script says which attempts are not let run."""

    def run(self, *arguments: Any, **named: Any) -> Execution:
        ended = super().run(*arguments, **named)
        if isinstance(ended.outcome, Failed) and ended.outcome.error_type == HeldOff.__name__:
            stuck = ended.outcome.message == str(HeldOff(True))
            return Execution(Failed(LoopBlocked.__name__, "the loop was held", charged=False), stuck=stuck)
        return ended


def simulated(ctx: Context, payload: dict[str, Any]) -> dict[str, Any]:
    """`payload`:
    outcomes: one per attempt, the last one for all further ones: ok, fail, permanent, retry:SECONDS, poison (kills
        its process), hang (longer than its time-out), large (a result too large for the record), mail, held and stuck
        (its event loop is held by another, which lets go or does not)
    seconds: that each attempt works, in two halves; effects: names for ctx.once; undo: the attempt whose first effect
        raises Retry, for nothing happened; progress: how often; stop: raise Permanent when an effect is in doubt
    children: names of tasks that each attempt submits
    version: for the workload
    """
    fiber = running()
    assert fiber is not None
    process = fiber.process
    world = process.world
    world.watch.started(process, ctx, payload)
    outcomes = payload.get("outcomes") or ["ok"]
    outcome, _, detail = outcomes[min(ctx.attempt, len(outcomes)) - 1].partition(":")
    half = payload.get("seconds", 0.0) / 2
    for step in range(payload.get("progress", 0)):
        ctx.progress((step + 1) / 10, f"step {step}")
    if half:
        world.pause(half)
    if outcome == "poison":
        world.trace(process.name, f"{ctx.task_id[-8:]} kills its process")
        process.die()
    if outcome == "hang":
        world.pause(10_000)
    for name in payload.get("children", ()):
        child = ctx.submit(name, payload.get("child_type", TYPE), {"outcomes": ["ok"]})
        world.watch.submitted(ctx, name, child)
    for name in payload.get("effects", ()):
        try:
            ctx.once(name, effect(world, ctx, name, undone=payload.get("undo") == ctx.attempt))
        except InDoubt:
            world.count("effects in doubt")
            if payload.get("stop"):
                raise Permanent(f"{name} is in doubt") from None
    if half:
        world.pause(half)
    if outcome == "mail":
        ctx.once(
            "mail", lambda: ctx.mail.send(to=["a@b.example"], subject="s", text=ctx.task_id, html=None, sender=None)
        )
    if outcome in ("held", "stuck"):
        raise HeldOff(outcome == "stuck")
    if outcome == "fail":
        raise Failing(f"attempt {ctx.attempt}")
    if outcome == "permanent":
        raise Permanent("the script says so")
    if outcome == "retry":
        raise Retry(after=float(detail))
    world.watch.succeeded(ctx)
    return {"attempt": ctx.attempt, "inputs": sorted(ctx.inputs), "pad": "x" * (600 if outcome == "large" else 0)}


def effect(world: Any, ctx: Context, name: str, *, undone: bool) -> Callable[[], str]:
    def happen() -> str:
        world.pause(0.01)
        if undone:
            raise Retry(after=1.0)
        world.watch.effect(ctx, name)
        world.pause(0.01)
        return f"{name} done by attempt {ctx.attempt}"

    return happen


def simulated_type(name: str, pool: Pool) -> RegisteredType:
    def handler(ctx: Context, payload: dict[str, Any]) -> dict[str, Any]:
        return simulated(ctx, payload)

    policy = RetryPolicy(max_attempts=4, base_seconds=2.0, max_seconds=120.0)
    declared = task(name, retry=policy, timeout_seconds=20)(handler)
    return RegisteredType.of(declared.__task_type__, module=__name__, attribute=name, pool=pool)  # type: ignore[attr-defined]


@cache
def registry_of(moved: bool) -> Registry:
    """The shipped task types and those of the simulation. `moved`: after the deployment."""
    pools = {TYPE: DEFAULT, POOLED: IMAGES, MOVED: IMAGES if moved else DEFAULT}
    own = [simulated_type(name, pool) for name, pool in pools.items()]
    return Registry.of([*discover(functions.tasks).types.values(), *own])


def registry() -> Registry:
    """As the function that runs has it."""
    fiber = running()
    if fiber is None or not hasattr(fiber.process, "function"):
        return registry_of(False)
    world = fiber.process.world
    return registry_of(world.deployment.has_moved(fiber.process.function, world.hub.now))
