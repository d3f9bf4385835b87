"""What a batch of stream records means: counts per tenant, type and state; leftovers of what TTL removed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from functions.core.counts import Change, Entry
from functions.store import keys
from functions.store.counters import Counters
from functions.store.leftovers import Leftovers
from functions.store.records import Item

logger = logging.getLogger("taskyard.observer")

TTL = "dynamodb.amazonaws.com"
"""AWS: `userIdentity.principalId` of a removal by TTL."""


@dataclass(frozen=True)
class Said:
    """What the records of a batch say, in their order. `entries`: by tenant. `removed`: tasks and runs as TTL removed
    them, by sequence number. `numbers`: sequence numbers as the stream writes them."""

    changes: list[Change] = field(default_factory=list)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    removed: dict[int, Item] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)

    def take(self, record: dict[str, Any]) -> None:
        data = record["dynamodb"]
        pk, sk = data["Keys"]["pk"]["S"], data["Keys"]["sk"]["S"]
        old, new = data.get("OldImage"), data.get("NewImage")
        sequence, at = int(data["SequenceNumber"]), int(data["ApproximateCreationDateTime"])
        self.numbers[sequence] = data["SequenceNumber"]
        if sk == keys.TASK:
            tenant, _ = keys.tenant_and_id(pk)
            change = Change(
                sequence=sequence,
                at=at,
                tenant=tenant,
                type=(new or old)["type"]["S"],
                before=old["state"]["S"] if old else None,
                after=new["state"]["S"] if new else None,
            )
            if change.before != change.after:
                self.changes.append(change)
        elif sk.startswith(keys.BATCH) and new:
            for tenant, sums in json.loads(new["sums"]["S"]).items():
                self.entries.setdefault(tenant, []).append(Entry(sequence=sequence, at=at, sums=sums))
        if sk in (keys.TASK, keys.WORKFLOW) and old and by_ttl(record):
            self.removed[sequence] = old


@dataclass(frozen=True, kw_only=True)
class Observer:
    counters: Counters
    leftovers: Leftovers

    def observe(self, records: Sequence[dict[str, Any]], *, stream_shard: str) -> str | None:
        """In stream order. Returns the sequence number from which the stream is to be delivered again, None: nowhere.

        Everything before it is done; what is behind it may be done, too, and is known again by the counters.
        """
        said = Said()
        for record in records:
            try:
                said.take(record)
            except (KeyError, TypeError, AttributeError, ValueError):
                # Delivered again it would read no better.
                logger.exception("unreadable stream record", extra={"record": repr(record)[:2000]})
        failed: list[int] = []

        def attempt(what: str, sequence: int, work: Callable[[], None]) -> None:
            try:
                work()
            except Exception:
                logger.exception(what, extra={"streamShard": stream_shard, "sequence": said.numbers[sequence]})
                failed.append(sequence)

        if said.changes:
            note = partial(self.counters.note, stream_shard, said.changes)
            attempt("not counted", said.changes[0].sequence, note)
        for tenant, entries in said.entries.items():
            attempt("not counted", entries[0].sequence, partial(self.counters.add, tenant, stream_shard, entries))
        for sequence, item in said.removed.items():
            clear = self.leftovers.clear if item["sk"]["S"] == keys.TASK else self.leftovers.clear_run
            attempt("leftovers not deleted", sequence, partial(clear, item))
        return said.numbers[min(failed)] if failed else None


def by_ttl(record: dict[str, Any]) -> bool:
    return record["eventName"] == "REMOVE" and (record.get("userIdentity") or {}).get("principalId") == TTL
