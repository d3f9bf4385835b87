"""Counts per task type and state, which the observer makes from the table's stream in two steps (docs/adr/0016).

The changes of all tenants' counts by one batch are one write to the journal: `JOURNAL` / `BATCH#<stream shard>`. That
write is itself a record of the stream. The observer adds the journal entries of a batch to the tenants' counters:
`COUNTER#<tenant>` / `COUNTER`, number attributes `<type>:<STATE>`. Both items store up to which record of each shard
they have counted. The counts are two batching windows old while tasks run, and exact once the stream is idle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from functions.core.counts import (
    POSITION_RETENTION_SECONDS,
    CountsByType,
    JournalEntry,
    StateChange,
    StreamEventT,
    StreamPositions,
    deltas_by_tenant,
    sum_counts,
)
from functions.core.errors import StoreUnavailable
from functions.core.states import State
from functions.store import keys
from functions.store.records import Item, number_value, string_value, to_json
from functions.store.table import Table, Updated

WRITE_ATTEMPTS = 10
"""An item has one writer, the observer of one stream shard; a counter has two after DynamoDB has split the journal. A
new process learns from a failed condition how far the process before it has counted."""


@dataclass(frozen=True)
class TenantCounts:
    """`types`: task type → state → count; what is zero is left out there."""

    states: dict[str, int]
    types: CountsByType


@dataclass(frozen=True)
class CounterUpdate:
    """The rest of an update expression after `SET upTo = :upTo`, with its values and names."""

    expression: str
    values: Item
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counters:
    """Caches the positions of the items that it wrote, so that each item costs one call a batch."""

    table: Table
    _up_to: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, tenant: str) -> TenantCounts:
        types = sum_counts([counts_from_item(self.table.get(keys.counter_key(tenant)) or {})])
        states: dict[str, int] = {str(state): 0 for state in State}
        for of in types.values():
            for state, count in of.items():
                states[state] += count
        return TenantCounts(states, types)

    def write_journal(self, stream_shard: str, changes: Sequence[StateChange]) -> None:
        """Replaces the journal entry of this shard with the changes of a new batch. Raises StoreUnavailable."""

        def step(new: Sequence[StateChange]) -> CounterUpdate:
            values = {
                ":sums": string_value(to_json(deltas_by_tenant(new))),
                ":expires": number_value(new[-1].at + POSITION_RETENTION_SECONDS),
            }
            return CounterUpdate(", sums = :sums, expiresAt = :expires", values)

        self._apply_unseen(keys.journal_key(stream_shard), stream_shard, changes, step)

    def add_to_counter(self, tenant: str, stream_shard: str, entries: Sequence[JournalEntry]) -> None:
        """Adds journal entries, delivered by this shard, to the tenant's counter. Raises StoreUnavailable."""

        def step(new: Sequence[JournalEntry]) -> CounterUpdate:
            sums = sum_counts(entry.sums for entry in new)
            by = {f"{kind}:{state}": by for kind, of in sums.items() for state, by in of.items()}
            added = ", ".join(f"#c{at} :c{at}" for at in range(len(by)))
            return CounterUpdate(
                f" ADD {added}" if by else "",
                {f":c{at}": number_value(value) for at, value in enumerate(by.values())},
                {f"#c{at}": name for at, name in enumerate(by)},
            )

        self._apply_unseen(keys.counter_key(tenant), stream_shard, entries, step)

    def _apply_unseen(
        self,
        key: keys.Key,
        stream_shard: str,
        events: Sequence[StreamEventT],
        step: Callable[[Sequence[StreamEventT]], CounterUpdate],
    ) -> None:
        """Applies the events that this item has not counted, in one write. Events that add up to zero are written too:
        the position must move on, or a part of them, delivered again, would be counted."""
        place = (key["pk"]["S"], key["sk"]["S"])
        up_to = self._up_to.get(place, "")
        for _ in range(WRITE_ATTEMPTS):
            marks = StreamPositions.parse(up_to)
            new = marks.uncounted_events(stream_shard, events)
            if not new:
                return
            update = step(new)
            then = {":upTo": string_value(marks.advance(stream_shard, new).to_text)} | (
                {":seen": string_value(up_to)} if up_to else {}
            )
            answer = self.table.update(
                key,
                f"SET upTo = :upTo{update.expression}",
                condition="upTo = :seen" if up_to else "attribute_not_exists(upTo)",
                values=update.values | then,
                names=update.names,
            )
            up_to = self._up_to[place] = answer.item["upTo"]["S"] if answer.item else ""
            if isinstance(answer, Updated):
                return
        raise StoreUnavailable("DynamoDB", f"{place} is written by others")


def counts_from_item(item: Item) -> CountsByType:
    """The counts in a counter's item. A type may contain colons, a state never does."""
    sums: CountsByType = {}
    for name, value in item.items():
        kind, colon, state = name.rpartition(":")
        if colon:
            sums.setdefault(kind, {})[state] = int(value["N"])
    return sums
