"""Counts per task type and state, kept by the observer from the table's stream in two steps (docs/adr/0016).

What a batch changed, in all tenants' counts, is one write to the journal: `JOURNAL` / `BATCH#<stream shard>`. That
write is a record of the stream itself, and what a batch holds of such records is added to the tenants' counters:
`COUNTER#<tenant>` / `COUNTER`, number attributes `<type>:<STATE>`. Both items say up to which record they have counted,
of each shard. Two batching windows old while tasks run, exact once the stream is idle.
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
"""An item has one writer, the observer of one stream shard; a counter has two where DynamoDB has split the journal. A
refusal tells a new process how far the one before came."""


@dataclass(frozen=True)
class TenantCounts:
    """`types`: task type → state → count; what is zero is left out there."""

    states: dict[str, int]
    types: CountsByType


@dataclass(frozen=True)
class CounterUpdate:
    """What an update expression goes on with after `SET upTo = :upTo`, its values and names."""

    expression: str
    values: Item
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Counters:
    """Remembers how far the items are that it wrote, so that each costs one call a batch."""

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
        """What a batch of this shard changed takes the place of what the batch before did. Raises StoreUnavailable."""

        def step(new: Sequence[StateChange]) -> CounterUpdate:
            values = {
                ":sums": string_value(to_json(deltas_by_tenant(new))),
                ":expires": number_value(new[-1].at + POSITION_RETENTION_SECONDS),
            }
            return CounterUpdate(", sums = :sums, expiresAt = :expires", values)

        self._apply_unseen(keys.journal_key(stream_shard), stream_shard, changes, step)

    def add_to_counter(self, tenant: str, stream_shard: str, entries: Sequence[JournalEntry]) -> None:
        """What batches changed of the tenant's counts, as the journal tells in this shard. Raises StoreUnavailable."""

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
        """The step of those events that this item has not counted: at once or not at all. Also when they come to
        nothing: half of them alone, delivered again, would not."""
        place = (key["pk"]["S"], key["sk"]["S"])
        up_to = self._up_to.get(place, "")
        for _ in range(WRITE_ATTEMPTS):
            marks = StreamPositions.parse(up_to)
            new = marks.unseen(stream_shard, events)
            if not new:
                return
            made = step(new)
            then = {":upTo": string_value(marks.advance(stream_shard, new).to_text)} | (
                {":seen": string_value(up_to)} if up_to else {}
            )
            answer = self.table.update(
                key,
                f"SET upTo = :upTo{made.expression}",
                condition="upTo = :seen" if up_to else "attribute_not_exists(upTo)",
                values=made.values | then,
                names=made.names,
            )
            up_to = self._up_to[place] = answer.item["upTo"]["S"] if answer.item else ""
            if isinstance(answer, Updated):
                return
        raise StoreUnavailable("DynamoDB", f"{place} is written by others")


def counts_from_item(item: Item) -> CountsByType:
    """Of a counter. A type may hold colons, a state never does."""
    sums: CountsByType = {}
    for name, value in item.items():
        kind, colon, state = name.rpartition(":")
        if colon:
            sums.setdefault(kind, {})[state] = int(value["N"])
    return sums
