"""Counts of tasks per state, from a stream that delivers at least once (docs/adr/0016).

Lambda delivers the records of a stream shard in order, and goes on only when a batch is done or given up. What has been
counted of a shard is therefore everything up to one record: its sequence number tells which records of a repeated
batch are new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

CountsByType = dict[str, dict[str, int]]
"""Task type → state → count, or change of the count; zeros are left out."""


POSITION_RETENTION_SECONDS = 26 * 3600
"""How long the position in a shard is stored. AWS keeps records of a stream for 24 hours; older ones never arrive."""


class StreamEvent(Protocol):
    """One record of the stream. `sequence` grows within a shard and cannot be compared across shards. `at`: epoch
    seconds."""

    @property
    def sequence(self) -> int: ...

    @property
    def at(self) -> int: ...


StreamEventT = TypeVar("StreamEventT", bound=StreamEvent)


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """A task's record went from one state to another. None: the record did not exist before, or no longer exists."""

    sequence: int
    at: int
    tenant: str
    type: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """The changes of a tenant's counts by one batch, as the journal stores them."""

    sequence: int
    at: int
    sums: CountsByType


@dataclass(frozen=True)
class StreamPositions:
    """How far an item has counted each shard of the stream: shard → sequence and time of the last record counted."""

    shards: dict[str, tuple[int, int]]

    @classmethod
    def parse(cls, text: str) -> StreamPositions:
        marks = (mark.split(":") for mark in text.split())
        return cls({shard: (int(sequence), int(at)) for shard, sequence, at in marks})

    @property
    def to_text(self) -> str:
        """A shard lives for hours, so a counter holds seven or eight positions of forty bytes each."""
        return " ".join(f"{shard}:{sequence}:{at}" for shard, (sequence, at) in self.shards.items())

    def uncounted_events(self, shard: str, events: Iterable[StreamEventT]) -> list[StreamEventT]:
        up_to, _ = self.shards.get(short_shard_id(shard), (0, 0))
        return [event for event in events if event.sequence > up_to]

    def advance(self, shard: str, events: Sequence[StreamEvent]) -> StreamPositions:
        """The positions after all `events` of this shard have been counted."""
        now = events[-1].at
        recent = {name: mark for name, mark in self.shards.items() if mark[1] > now - POSITION_RETENTION_SECONDS}
        return StreamPositions(recent | {short_shard_id(shard): (events[-1].sequence, now)})


def short_shard_id(shard: str) -> str:
    return hashlib.blake2b(shard.encode(), digest_size=4).hexdigest()


def deltas_by_tenant(changes: Iterable[StateChange]) -> dict[str, CountsByType]:
    """INSERT: one more in the new state; MODIFY: also one less in the old; REMOVE: one less."""
    deltas: dict[str, list[CountsByType]] = {}
    for change in changes:
        for state, by in ((change.before, -1), (change.after, 1)):
            if state is not None:
                deltas.setdefault(change.tenant, []).append({change.type: {state: by}})
    return {tenant: sums for tenant, parts in deltas.items() if (sums := sum_counts(parts))}


def sum_counts(parts: Iterable[CountsByType]) -> CountsByType:
    sums: CountsByType = {}
    for part in parts:
        for kind, states in part.items():
            of = sums.setdefault(kind, {})
            for state, by in states.items():
                of[state] = of.get(state, 0) + by
    nonzero = {kind: {state: by for state, by in sorted(of.items()) if by} for kind, of in sorted(sums.items())}
    return {kind: of for kind, of in nonzero.items() if of}
