"""GET /monitor/stats: tasks per state and type, messages per lane, seconds that the oldest due task has waited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.aws.queues import Queues
from functions.core.states import CLAIMABLE
from functions.store.counters import Counters, TenantCounts
from functions.store.listings import Listings

if TYPE_CHECKING:
    from functions.api.monitor import schemas

RECORDS_READ_LIMIT = 300
"""The newest tasks, among which the oldest due one is searched: 150 read units. With a longer backlog the age is too
low; an alarm watches the age of the queues' messages."""


@dataclass(frozen=True)
class Stats:
    counters: Counters
    queues: Queues
    listings: Listings

    def read(self, *, tenant: str, now: int) -> schemas.Stats:
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

    def _oldest_seconds(self, counts: TenantCounts, tenant: str, now: int) -> float | None:
        """Seconds since the due time of the oldest waiting task; None when no due task waits."""
        if not any(counts.states[state] for state in CLAIMABLE):
            return None
        due = self.listings.page(
            tenant,
            limit=RECORDS_READ_LIMIT,
            after=None,
            read_limit=RECORDS_READ_LIMIT,
            matches=lambda task: task.state in CLAIMABLE and task.available_at <= now,
        )
        oldest = min((task.available_at for task in due.tasks), default=None)
        return None if oldest is None else (now - oldest) / 1000
