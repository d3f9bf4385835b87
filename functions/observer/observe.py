"""What a batch of stream records means: counts per tenant, state and type; leftovers of tasks that TTL removed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from functions.core.counts import Change, digest
from functions.store import keys
from functions.store.counters import Counters
from functions.store.leftovers import Leftovers
from functions.store.records import Item

logger = logging.getLogger("taskyard.observer")

TTL = "dynamodb.amazonaws.com"
"""AWS: `userIdentity.principalId` of a removal by TTL."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One stream record, understood. `removed`: the record as TTL removed it."""

    sequence: str
    change: Change
    removed: Item | None


@dataclass(frozen=True, kw_only=True)
class Observer:
    """`shards`: over how many counters a tenant's tasks are spread."""

    counters: Counters
    leftovers: Leftovers
    shards: int

    def observe(self, records: Sequence[dict[str, Any]]) -> str | None:
        """In stream order. Returns the sequence number from which the stream is to be delivered again, None: nowhere.

        Everything before it is applied; of what is behind it some may be, and is known again by the counters.
        """
        seen = [found for record in records if (found := understood(record))]
        failed: set[str] = set()
        for record in records:
            if removed := removed_run(record):
                try:
                    self.leftovers.clear_run(removed)
                except Exception:
                    logger.exception("leftovers not deleted", extra={"run": removed["pk"]["S"]})
                    failed.add(str(record["dynamodb"]["SequenceNumber"]))
        shards: dict[tuple[str, int], list[Seen]] = {}
        for found in seen:
            place = (found.change.tenant, keys.shard(found.change.task_id, self.shards))
            shards.setdefault(place, []).append(found)
        for (tenant, shard), group in shards.items():
            try:
                self.counters.count(tenant, shard, [found.change for found in group])
            except Exception:
                logger.exception("not counted", extra={"tenant": tenant, "shard": shard, "events": len(group)})
                failed.add(group[0].sequence)
        for found in seen:
            if found.removed is not None:
                try:
                    self.leftovers.clear(found.removed)
                except Exception:
                    logger.exception("leftovers not deleted", extra={"taskId": found.change.task_id})
                    failed.add(found.sequence)
        order = (str(record.get("dynamodb", {}).get("SequenceNumber")) for record in records)
        return next((sequence for sequence in order if sequence in failed), None)


def understood(record: dict[str, Any]) -> Seen | None:
    """None for what is no change of a task, or cannot be read: delivered again it would read no better."""
    try:
        data = record["dynamodb"]
        pk, sk = data["Keys"]["pk"]["S"], data["Keys"]["sk"]["S"]
        if sk != keys.TASK:
            return None
        tenant, task_id = keys.tenant_and_id(pk)
        old, new = data.get("OldImage"), data.get("NewImage")
        present = new or old
        sequence = str(data["SequenceNumber"])
        return Seen(
            sequence=sequence,
            change=Change(
                tenant=tenant,
                task_id=task_id,
                type=present["type"]["S"],
                before=old["state"]["S"] if old else None,
                after=new["state"]["S"] if new else None,
                event=digest(pk, sequence),
            ),
            removed=old if by_ttl(record) else None,
        )
    except (KeyError, TypeError, AttributeError):
        logger.exception("unreadable stream record", extra={"record": repr(record)[:2000]})
        return None


def by_ttl(record: dict[str, Any]) -> bool:
    return record["eventName"] == "REMOVE" and (record.get("userIdentity") or {}).get("principalId") == TTL


def removed_run(record: dict[str, Any]) -> Item | None:
    """A workflow's run, as TTL removed it."""
    try:
        if record["dynamodb"]["Keys"]["sk"]["S"] != keys.WORKFLOW or not by_ttl(record):
            return None
        old: Item = record["dynamodb"]["OldImage"]
    except (KeyError, TypeError, AttributeError):
        return None
    return old
