"""Handles a batch of stream records: updates the counts per tenant, type and state, and deletes what belongs to tasks
and runs that TTL removed, and what schedules no longer submit."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from functions.core.counts import CountsByType, JournalEntry, StateChange
from functions.core.outline import outline
from functions.runtime.metrics import Metrics
from functions.store import keys
from functions.store.counters import Counters
from functions.store.leftovers import Leftovers
from functions.store.records import Item

if TYPE_CHECKING:
    from functions.observer.open_tasks import OpenTasks

logger = logging.getLogger("taskyard.observer")

TTL_PRINCIPAL = "dynamodb.amazonaws.com"
"""AWS: `userIdentity.principalId` of a removal by TTL."""


@dataclass(frozen=True)
class StreamBatch:
    """The content of a batch of records, in stream order. `journal_entries`: by tenant. `removed`: the items of tasks
    and runs that TTL removed, by sequence number. `replaced`: records of schedules before their workflow was replaced
    or they were deleted, by sequence number. `numbers`: sequence numbers as text, as the stream has them."""

    changes: list[StateChange] = field(default_factory=list)
    journal_entries: dict[str, list[JournalEntry]] = field(default_factory=dict)
    removed: dict[int, Item] = field(default_factory=dict)
    replaced: dict[int, Item] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)

    def add(self, record: dict[str, Any]) -> None:
        data = record["dynamodb"]
        pk, sk = _text(data["Keys"], "pk"), _text(data["Keys"], "sk")
        old, new = data.get("OldImage"), data.get("NewImage")
        sequence, at = int(data["SequenceNumber"]), int(data["ApproximateCreationDateTime"])
        self.numbers[sequence] = data["SequenceNumber"]
        if sk == keys.TASK:
            tenant, _ = keys.tenant_and_task_id(pk)
            change = StateChange(
                sequence=sequence,
                at=at,
                tenant=tenant,
                type=_text(new or old, "type"),
                before=_text(old, "state") if old else None,
                after=_text(new, "state") if new else None,
            )
            if change.before != change.after:
                self.changes.append(change)
        elif sk.startswith(keys.JOURNAL_BATCH) and new:
            for tenant, sums in _sums(new).items():
                self.journal_entries.setdefault(tenant, []).append(JournalEntry(sequence=sequence, at=at, sums=sums))
        elif (
            sk == keys.SCHEDULE
            and old
            and "workflowRef" in old
            and old["workflowRef"] != (new or {}).get("workflowRef")
        ):
            self.replaced[sequence] = old
        if sk in (keys.TASK, keys.WORKFLOW) and old and is_removed_by_ttl(record):
            self.removed[sequence] = {**old, **data["Keys"]}


@dataclass(frozen=True, kw_only=True)
class Observer:
    """`open_tasks`: None when no tenant has quotas."""

    counters: Counters
    leftovers: Leftovers
    metrics: Metrics
    open_tasks: OpenTasks | None = None

    def observe(self, records: Sequence[dict[str, Any]], *, stream_shard: str) -> str | None:
        """`records`: in stream order. Returns the sequence number from which Lambda must deliver the stream again, None
        when all are done.

        Everything before that number is done. Records after it may be done, too; the counters recognise them.
        """
        batch = StreamBatch()
        for record in records:
            try:
                batch.add(record)
            except Exception as error:
                # Delivering it again would not make it readable, and would hold up the records behind it. It holds
                # payloads, and the text of the error may quote them.
                logger.error("unreadable stream record: %s", type(error).__name__, extra={"shape": outline(record)})
                self.metrics.count("EventUnreadable")
        failed_sequences: list[int] = []

        def run_step(error_message: str, sequence: int, action: Callable[[], None]) -> None:
            try:
                action()
            except Exception:
                logger.exception(
                    error_message, extra={"streamShard": stream_shard, "sequence": batch.numbers[sequence]}
                )
                failed_sequences.append(sequence)

        if batch.changes:
            write = partial(self.counters.write_journal, stream_shard, batch.changes)
            run_step("not counted", batch.changes[0].sequence, write)
        for tenant, journal_entries in batch.journal_entries.items():
            first_sequence = journal_entries[0].sequence
            add = partial(self.counters.add_to_counter, tenant, stream_shard, journal_entries)
            run_step("not counted", first_sequence, add)
            if self.open_tasks is not None:
                # Also when the counter had these entries: an observer may have died between the two.
                run_step("open tasks not copied", first_sequence, partial(self.open_tasks.copy, tenant))
        for sequence, item in batch.removed.items():
            delete = self.leftovers.delete_of_task if item["sk"]["S"] == keys.TASK else self.leftovers.delete_of_run
            run_step("leftovers not deleted", sequence, partial(delete, item))
        for sequence, item in batch.replaced.items():
            run_step("leftovers not deleted", sequence, partial(self.leftovers.delete_of_schedule, item))
        return batch.numbers[min(failed_sequences)] if failed_sequences else None


def _text(item: Item, name: str) -> str:
    """A string attribute. Raises TypeError for anything else: a change with it could not be counted, and the changes
    of the same batch would be given up with it."""
    value = item[name]["S"]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no string")
    return value


def _sums(item: Item) -> dict[str, CountsByType]:
    """The sums of a journal item by tenant. Raises TypeError, AttributeError, ValueError."""
    by_tenant: dict[str, CountsByType] = json.loads(_text(item, "sums"))
    for sums in by_tenant.values():
        for states in sums.values():
            if not all(type(by) is int for by in states.values()):
                raise TypeError("a count is no integer")
    return by_tenant


def is_removed_by_ttl(record: dict[str, Any]) -> bool:
    return record["eventName"] == "REMOVE" and (record.get("userIdentity") or {}).get("principalId") == TTL_PRINCIPAL
