"""The seeded scheduler: every choice of a run, and every fault, from one random number generator.

A seed first draws how hostile its world is: each kind of fault has a rate of its own, often zero, so that one kind
is not hidden behind another. After `calls` AWS calls faults stop, and the world must come to rest.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.fibers import MS, SECOND

if TYPE_CHECKING:
    from tests.simulation.queues import Message
    from tests.simulation.world import World

RATES: dict[str, tuple[float, ...]] = {
    # of AWS calls
    "killed before": (0, 0.01, 0.04, 0.1),
    "killed after": (0, 0.01, 0.04, 0.1),
    "throttled": (0, 0, 0.03, 0.15),
    "answer lost": (0, 0, 0.02, 0.08),
    "sent again": (0, 0.02, 0.1),
    "stalled": (0, 0.005, 0.02),
    "frozen": (0, 0.005, 0.02),
    # of deliveries
    "duplicate": (0, 0.05, 0.3),
    "undeleted": (0, 0.05, 0.2),
    "late": (0, 0.05, 0.3),
    "redelivered": (0, 0.1, 0.3),
    # of schedules
    "fired twice": (0, 0.3),
    "fired late": (0, 0, 0.3),
    "unfired": (0, 0.2),
    # of the steps of a run's execution
    "step refused": (0, 0, 0.2),
    "step unheard": (0, 0, 0.3),
    # of requests
    "request lost": (0, 0, 0.05),
    # of invocations
    "zombie": (0, 0.3, 0.7),
    "invocation failed": (0, 0.03),
    "outage": (0, 0, 0.5),
}
CALM_ONE_IN = 8
"""So many seeds have no faults at all: there, every task must be about on time."""
SKEW = 1_500 * MS
"""One worker's clock may be off by this: below LEASE_MARGIN_MS."""
ZOMBIE = 25 * SECOND
"""How long after its end an invocation may still run."""
CALLS = (150, 400, 900)
"""How many AWS calls faults last."""


@dataclass(frozen=True)
class Plan:
    """What happens to one AWS call. `way` and `back` in microseconds: to the service, and the answer's way."""

    fault: str | None
    way: int
    back: int


class Faults:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        draw = self.random
        self.calm = draw.randrange(CALM_ONE_IN) == 0
        self.rates = {kind: 0.0 if self.calm else draw.choice(rates) for kind, rates in RATES.items()}
        self.limit = draw.choice(CALLS)
        self.racy = not self.calm and draw.random() < 0.5
        self.skew = 0 if self.calm or draw.random() < 0.5 else draw.randrange(-SKEW, SKEW + 1)
        self.calls = 0
        self.world: World

    @property
    def on(self) -> bool:
        return not self.calm and self.calls < self.limit

    def note(self, kind: str, text: str) -> None:
        self.world.trace("fault", f"{kind}: {text}")
        self.world.injected[kind] = self.world.injected.get(kind, 0) + 1

    def happens(self, kind: str, text: str) -> bool:
        rate = self.rates[kind]
        if not rate or not self.on or self.random.random() >= rate:
            return False
        self.note(kind, text)
        return True

    # -- AWS calls

    def call(self, *, mortal: bool, again: bool, left: int) -> Plan:
        """`mortal`: else nothing happens to it. `again`: the call may be sent twice. `left`: until its invocation
        ends; a frozen one goes on after that, as if nothing had been."""
        self.calls += 1
        way, back = self.latency(), self.latency()
        if not self.on or not mortal:
            return Plan(None, way, back)
        drawn = self.random.random()
        for kind in ("killed before", "killed after", "throttled", "answer lost", "sent again", "stalled", "frozen"):
            drawn -= self.rates[kind]
            if drawn < 0:
                if kind in ("stalled", "frozen"):
                    stall = self.within(45 * SECOND) if kind == "stalled" else left + self.within(ZOMBIE)
                    return Plan(kind, way + stall, back) if self.coin() else Plan(kind, way, back + stall)
                return Plan(kind if again or kind != "sent again" else None, way, back)
        return Plan(None, way, back)

    def latency(self) -> int:
        if self.racy and self.random.random() < 0.4:
            return int(10 ** (3 + 3.3 * self.random.random()))
        return self.random.randrange(1 * MS, 12 * MS)

    # -- queues, timers, stream

    def late(self) -> int:
        """Before a message that was sent is visible, beyond its delay."""
        if self.happens("late", "message"):
            return self.within(20 * SECOND)
        return self.random.randrange(1 * MS, 30 * MS)

    def pickup(self) -> int:
        return self.random.randrange(1 * MS, 60 * MS)

    def soon(self) -> int:
        """When the second delivery of a message that is in flight comes, or a connection is lost."""
        return self.random.choice((0, 50 * MS, 1 * SECOND, self.within(60 * SECOND)))

    def batch(self, visible: Sequence[Message], most: int) -> list[Message]:
        """Up to `most` of the visible messages, in any order."""
        size = min(len(visible), most, self.random.choice((1, 3, 10, 10)))
        return self.random.sample(visible, size)

    def stream(self) -> int:
        if self.on and self.racy:
            return self.within(5 * SECOND)
        return self.random.randrange(100 * MS, 1200 * MS)

    def stream_batch(self, available: int) -> int:
        return min(available, self.random.choice((1, 3, 100)))

    # -- invocations

    def skew_of(self, function: str) -> int:
        return self.skew if self.skew and function.startswith("worker") and self.coin() else 0

    def zombie_for(self, text: str, *, frozen: bool) -> int:
        """How much longer than its end an invocation runs."""
        if frozen:
            return ZOMBIE
        return self.within(ZOMBIE) if self.happens("zombie", text) else 0

    # -- draws

    def coin(self) -> bool:
        return self.random.random() < 0.5

    def within(self, duration: int) -> int:
        return int(self.random.random() * duration)

    def choose(self, choices: Sequence[Any]) -> Any:
        return choices[self.random.randrange(len(choices))]
