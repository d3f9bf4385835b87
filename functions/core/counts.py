"""Counting tasks per state from a stream that delivers at least once. Pure: changes and a memory in, deltas out.

Lambda hands each stream shard's records over in order, and goes on only when a batch is done or given up. Until then it
delivers the same records again: whole, from the first that failed, or in halves. So an event that comes again comes
before any later event of its own stream shard, and what must be remembered of a stream shard is its last batch: 100
events at most, spread over the tenant's counter shards.

A counter shard hears from several stream shards, and others may go on while one repeats. MEMORY holds three whole
batches that all fell on one counter shard, or, with four counter shards, the last batch of a dozen stream shards. Only
when more than that comes in between is an event counted twice; more counter shards (LISTING_SHARDS) put that further
off. At six bytes each the memory keeps the counter item within about 2 KB.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

DIGEST_BYTES = 6
"""Two of 300 events share a digest once in 10¹⁰ counter shards' lives of a full memory."""
MEMORY = 300


STATE = "state:"
TYPE = "type:"
"""What the attributes of a counter item begin with."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One task's record changed. `before`, `after`: states, None for a record that was not there, or is no more.
    `event`: digest of what tells this change from every other."""

    tenant: str
    task_id: str
    type: str
    before: str | None
    after: str | None
    event: bytes

    @property
    def counts(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Applied:
    """`deltas`: per counter attribute, zeros left out. `memory`: what to remember from now on."""

    deltas: dict[str, int]
    memory: bytes


def state_counter(state: str) -> str:
    return f"{STATE}{state}"


def type_counter(kind: str, state: str) -> str:
    return f"{TYPE}{kind}:{state}"


def digest(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=DIGEST_BYTES).digest()


def apply(memory: bytes, changes: Iterable[Change]) -> Applied | None:
    """What `changes` add to the counts of a shard that remembers `memory`. None: nothing that it has not seen."""
    remembered = [memory[at : at + DIGEST_BYTES] for at in range(0, len(memory), DIGEST_BYTES)]
    known = set(remembered)
    deltas: Counter[str] = Counter()
    came: dict[bytes, None] = {}
    for change in changes:
        if not change.counts:
            continue
        if change.event not in known:
            known.add(change.event)
            deltas.update(delta(change))
        came[change.event] = None
    if came.keys() <= set(remembered):
        return None
    # What came again is the youngest memory again: it may come once more.
    kept = [*(event for event in remembered if event not in came), *came][-MEMORY:]
    return Applied({name: by for name, by in deltas.items() if by}, b"".join(kept))


def delta(change: Change) -> dict[str, int]:
    """INSERT: one more in the new state; MODIFY: also one less in the old; REMOVE: one less."""
    counted: Counter[str] = Counter()
    for state, by in ((change.before, -1), (change.after, 1)):
        if state is not None:
            counted[state_counter(state)] += by
            counted[type_counter(change.type, state)] += by
    return counted
