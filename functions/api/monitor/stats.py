"""GET /monitor/stats: how many of each, how full the lanes are, how long the oldest has waited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from functions.aws.queues import Queues
from functions.core.states import WAITING
from functions.store.counters import Counters, Counts
from functions.store.listings import Listings

LOOKED_AT = 300
"""The newest tasks that are searched for the oldest due one: 150 read units. With a longer backlog the age that is
told is too low; the queues' own age is an alarm."""


@dataclass(frozen=True)
class Stats:
    counters: Counters
    queues: Queues
    listings: Listings

    def read(self, *, tenant: str, now: int) -> dict[str, Any]:
        counts = self.counters.read(tenant)
        depths = {lane: self.queues.depth(lane) for lane in self.queues.lanes}
        return {
            "states": counts.states,
            "types": counts.types,
            "lanes": {
                lane: {"queued": depth.queued, "inFlight": depth.in_flight, "delayed": depth.delayed}
                for lane, depth in depths.items()
            },
            "oldestSeconds": self._oldest_seconds(counts, tenant, now),
        }

    def _oldest_seconds(self, counts: Counts, tenant: str, now: int) -> float | None:
        """Seconds since the oldest of the tasks that are due and wait was due; None when none does."""
        if not any(counts.states[state] for state in WAITING):
            return None
        due = self.listings.page(
            tenant,
            limit=LOOKED_AT,
            after=None,
            looked_at=LOOKED_AT,
            wanted=lambda task: task.state in WAITING and task.available_at <= now,
        )
        oldest = min((task.available_at for task in due.tasks), default=None)
        return None if oldest is None else (now - oldest) / 1000
