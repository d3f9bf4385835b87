"""The busiest key's share of the writes, from the real key functions, over many simulated tasks."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import dataclass

from functions.core.task import id_for_key, time_ordered_id
from functions.core.workflows.run import node_task_id
from functions.core.workflows.tallies import leaf_tally
from functions.store import keys

NOW = 1_770_000_000_000
SLOTS = 64
"""Equal parts of the key space: DynamoDB places an item by a hash of its partition key, here MD5."""
NODES = 10_000


@dataclass(frozen=True, kw_only=True)
class Share:
    """`keys`: distinct ones. `busiest`: writes to the busiest. `even`: what each would get if all got the same."""

    what: str
    keys: int
    busiest: int
    writes: int

    @property
    def share(self) -> float:
        return self.busiest / self.writes

    @property
    def over_even(self) -> float:
        """1.0: perfectly even."""
        return self.share * self.keys


def shares(*, ids: int, seed: int = 1, shards: tuple[int, ...] = (2, 8)) -> list[Share]:
    """Half of the ids come from idempotency keys, half are time-ordered, 10,000 a second. All of one tenant, which is
    the worst case."""
    drawn = random.Random(seed)
    slots: Counter[int] = Counter()
    listing: dict[int, Counter[int]] = {count: Counter() for count in shards}
    newest: Counter[str] = Counter()
    seen: set[str] = set()
    for at in range(ids):
        if at % 2:
            task_id = id_for_key("123456789012", f"order-{at}")
        else:
            task_id = time_ordered_id(NOW + at // 10, drawn.getrandbits(80))
            newest[task_id[:8]] += 1
        seen.add(task_id)
        slots[slot(keys.task_partition("123456789012", task_id))] += 1
        for count, found in listing.items():
            found[keys.shard_of(task_id, count)] += 1
    tallies = Counter(leaf_tally(index) for index in range(NODES))
    nodes = Counter(
        slot(keys.task_partition("123456789012", node_task_id("01k" + "0" * 23, index))) for index in range(NODES)
    )
    return [
        Share(what="a task's partition key (its record's 3 writes)", keys=len(seen), busiest=3, writes=3 * ids),
        of(f"one of {SLOTS} equal parts of the table, single tasks", slots),
        of(f"one of {SLOTS} equal parts of the table, nodes of one run of {NODES:,}", nodes),
        *(of(f"listing and dead-letter shard, {count} shards, one tenant", listing[count]) for count in shards),
        of(f"tally of one run of {NODES:,} nodes", tallies),
    ]


def slot(partition_key: str) -> int:
    digest = hashlib.md5(partition_key.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8]) * SLOTS >> 64


def of(what: str, found: Counter[object]) -> Share:  # type: ignore[type-arg]
    return Share(what=what, keys=len(found), busiest=max(found.values()), writes=sum(found.values()))
