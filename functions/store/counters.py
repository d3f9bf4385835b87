"""Counts per state and per type, `COUNTER#<tenant>` / `SHARD#nnn`, kept by the observer from the table's stream.

Number attributes `state:<STATE>` and `type:<type>:<STATE>`, the memory that makes them exact (functions/core/counts.py)
and a version. Seconds old while tasks run, exact once the stream is idle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from functions.core.counts import STATE, TYPE, Change, apply
from functions.core.errors import StoreUnavailable
from functions.core.states import State
from functions.store import keys
from functions.store.records import Item, number
from functions.store.table import Table, Written

ATTEMPTS = 100
"""A refusal means that another observer's write landed, and each of them (one a stream shard) writes once a batch: this
is never reached, and if it is, the batch comes again."""


@dataclass(frozen=True)
class Counts:
    """`types`: task type → state → count; what is zero is left out there."""

    states: dict[str, int]
    types: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Seen:
    """A counter shard as it was last read or written. Version 0: there is none yet."""

    version: int = 0
    memory: bytes = b""

    @classmethod
    def of(cls, item: Item | None) -> Seen:
        return cls(int(item["version"]["N"]), item["memory"]["B"]) if item else cls()


@dataclass(frozen=True)
class Counters:
    """Remembers the shards that it wrote, so that a batch costs one call each; who is wrong about a shard is told by
    the refusal what it holds."""

    table: Table
    _seen: dict[tuple[str, int], Seen] = field(default_factory=dict)

    def read(self, tenant: str) -> Counts:
        """The sum over the tenant's shards: one query."""
        states: dict[str, int] = dict.fromkeys(State, 0)
        types: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for item in self.table.query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": keys.counter_key(tenant, 0)["pk"]},
        ):
            for name, value in item.items():
                if name.startswith(STATE):
                    states[name.removeprefix(STATE)] += int(value["N"])
                elif name.startswith(TYPE):
                    # A type may hold colons, a state never does.
                    task_type, _, state = name.removeprefix(TYPE).rpartition(":")
                    types[task_type][state] += int(value["N"])
        return Counts(
            states={str(state): count for state, count in states.items()},
            types={
                name: {state: count for state, count in sorted(by_state.items()) if count}
                for name, by_state in sorted(types.items())
                if any(by_state.values())
            },
        )

    def count(self, tenant: str, shard: int, changes: Sequence[Change]) -> None:
        """Applies what the shard has not seen yet: at once or not at all. Raises StoreUnavailable."""
        place = (tenant, shard)
        seen = self._seen.get(place, Seen())
        for _ in range(ATTEMPTS):
            applied = apply(seen.memory, changes)
            if applied is None:
                return
            added = {f"#c{at}": name for at, name in enumerate(applied.deltas)}
            by = {f":c{at}": number(by) for at, by in enumerate(applied.deltas.values())}
            adds = ", ".join(["version :one", *(f"#c{at} :c{at}" for at in range(len(by)))])
            answer = self.table.update(
                keys.counter_key(tenant, shard),
                f"SET memory = :memory ADD {adds}",
                condition="version = :seen" if seen.version else "attribute_not_exists(version)",
                values={":memory": {"B": applied.memory}, ":one": number(1)}
                | by
                | ({":seen": number(seen.version)} if seen.version else {}),
                names=added,
            )
            seen = self._seen[place] = Seen.of(answer.item)
            if isinstance(answer, Written):
                return
        raise StoreUnavailable("DynamoDB", f"counter shard {shard} is written by too many at once")
