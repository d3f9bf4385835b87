"""Counting tasks per state from a stream that delivers at least once. Pure: changes in, sums out (docs/adr/0016).

Lambda hands a stream shard's records over in order, and goes on only when a batch is done or given up. So what has been
counted of a shard is everything up to some record, and one number tells what is new, however a batch comes again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

Sums = dict[str, dict[str, int]]
"""Task type → state → by how many more or fewer; zeros are left out."""


class Event(Protocol):
    """`sequence`: its record's number in the stream. It grows along a shard, and from a shard to its successor."""

    @property
    def sequence(self) -> int: ...


E = TypeVar("E", bound=Event)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One task's record went from a state to another; None: it was not there, or is no more. `at`: epoch seconds."""

    sequence: int
    at: int
    tenant: str
    type: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one batch changed of a tenant's counts, as the journal says."""

    sequence: int
    sums: Sums


def unseen(events: Iterable[E], up_to: int) -> list[E]:
    return [event for event in events if event.sequence > up_to]


def by_tenant(changes: Iterable[Change]) -> dict[str, Sums]:
    """INSERT: one more in the new state; MODIFY: also one less in the old; REMOVE: one less."""
    found: dict[str, list[Sums]] = {}
    for change in changes:
        for state, by in ((change.before, -1), (change.after, 1)):
            if state is not None:
                found.setdefault(change.tenant, []).append({change.type: {state: by}})
    return {tenant: sums for tenant, parts in found.items() if (sums := total(parts))}


def total(parts: Iterable[Sums]) -> Sums:
    found: Sums = {}
    for part in parts:
        for kind, states in part.items():
            of = found.setdefault(kind, {})
            for state, by in states.items():
                of[state] = of.get(state, 0) + by
    kept = {kind: {state: by for state, by in sorted(of.items()) if by} for kind, of in sorted(found.items())}
    return {kind: of for kind, of in kept.items() if of}
