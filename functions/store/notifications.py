"""The states of notifications: items beside the record of the task or run, which they never change."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from functions.core.notifications.events import Delivery, Notification, Owner, display_target
from functions.store import keys
from functions.store.records import Item, number_value, string_value
from functions.store.table import ConditionFailed, Table, Updated

UNDELIVERABLE_INDEX = "deadLetters"
ERROR_LIMIT = 300


@dataclass(frozen=True, kw_only=True)
class StoredNotification:
    """Times are epoch ms. `status`: of the last HTTP response."""

    owner: Owner
    id: str
    event: str
    target: int
    to: str
    state: Delivery
    attempts: int
    status: int | None
    error: str | None
    first_at: int
    last_at: int

    @property
    def is_final(self) -> bool:
        return self.state in (Delivery.DELIVERED, Delivery.UNDELIVERABLE)


@dataclass(frozen=True)
class AttemptStart:
    """`refused`: the notification is final, and no attempt may be made."""

    notification: StoredNotification
    refused: bool


@dataclass(frozen=True)
class NotificationPage:
    """`after`: where the next page begins; None on the last page."""

    notifications: list[StoredNotification]
    after: str | None


@dataclass(frozen=True, kw_only=True)
class NotificationStore:
    """`shards`: partitions of a tenant's listing of undeliverable notifications."""

    table: Table
    shards: int

    def get(self, note: Notification) -> StoredNotification | None:
        item = self.table.get(notification_key(note))
        return notification_from_item(item) if item else None

    def list_of_owner(self, tenant: str, owner: Owner, id: str) -> list[StoredNotification]:
        """All notifications of a task or a run, those of earlier ends included; oldest end first."""
        items = self.table.query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :notification)",
            ExpressionAttributeValues={
                ":pk": owner_key(tenant, owner, id)["pk"],
                ":notification": string_value(keys.NOTIFICATION),
            },
        )
        return sorted(
            map(notification_from_item, items),
            key=lambda notification: (int(notification.event.rpartition("-")[2]), notification.target),
        )

    def begin_attempt(self, note: Notification, *, now: int) -> AttemptStart:
        """Counts an attempt before it is made, so that an attempt that is cut off counts. Refused when the notification
        is final."""
        answer = self._write(note, Delivery.PENDING, now=now, values={}, attempts=1)
        if not isinstance(answer, ConditionFailed):
            return AttemptStart(notification_from_item(answer.item), refused=False)
        notification = notification_from_item(answer.item) if answer.item else self.get(note)
        assert notification is not None, f"{note.name} was refused and is not there"
        return AttemptStart(notification, refused=True)

    def record_attempt_end(
        self, note: Notification, state: Delivery, *, now: int, status: int | None = None, error: str | None = None
    ) -> StoredNotification | None:
        """Stores how an attempt ended. None when the notification is final: it stays as it is."""
        values = {
            "status": None if status is None else number_value(status),
            "error": None if error is None else string_value(error[:ERROR_LIMIT]),
        }
        answer = self._write(note, state, now=now, values=values, attempts=0)
        return None if isinstance(answer, ConditionFailed) else notification_from_item(answer.item)

    def _write(
        self, note: Notification, state: Delivery, *, now: int, values: dict[str, Any], attempts: int
    ) -> Updated | ConditionFailed:
        """`values`: attribute → its new value, or None to remove it. `attempts`: the number to add."""
        sets = {
            "#state = :state": string_value(state),
            "#to = :to": string_value(display_target(note.to)),
            "lastAt = :now": number_value(now),
            "firstAt = if_not_exists(firstAt, :now)": None,
        }
        sets |= {f"#{name} = :{name}": value for name, value in values.items() if value is not None}
        removed = [f"#{name}" for name, value in values.items() if value is None]
        if note.expires_at is not None:
            sets["expiresAt = :expires"] = number_value(note.expires_at)
        if state is Delivery.UNDELIVERABLE:
            shard = keys.shard_of(note.id, self.shards)
            sets["deadPk = :deadPk"] = string_value(keys.undeliverable_partition(note.tenant, shard))
            sets["deadSk = :deadSk"] = string_value(keys.time_sort_key(now, note.name))
        update = "SET " + ", ".join(sets)
        update += f" REMOVE {', '.join(removed)}" if removed else ""
        update += " ADD attempts :attempts"
        return self.table.update(
            notification_key(note),
            update,
            condition="attribute_not_exists(pk) OR #state = :pending",
            values={part.rpartition(" = ")[2]: value for part, value in sets.items() if value is not None}
            | {":pending": string_value(Delivery.PENDING), ":attempts": number_value(attempts)},
        )

    def inline_result(self, note: Notification, *, limit: int) -> str | None:
        """The JSON text of a result in an item of its own, if it has at most `limit` bytes."""
        place, _, name = (note.result_ref or "").partition(":")
        if place != "item":
            return None
        item = self.table.get(keys.task_key(note.tenant, note.id, name))
        document: str | None = item["document"]["S"] if item else None
        return document if document is not None and len(document.encode()) <= limit else None

    def list_undeliverable(self, tenant: str, *, limit: int, after: str | None) -> NotificationPage:
        """Newest first. Eventually consistent, as every index is."""
        shards = [self._shard(tenant, at, after=after, page_size=limit + 1) for at in range(self.shards)]
        entries = list(islice(heapq.merge(*shards, key=lambda entry: entry["deadSk"]["S"], reverse=True), limit + 1))
        chosen = entries[:limit]
        items = {
            (item["pk"]["S"], item["sk"]["S"]): item
            for item in self.table.get_items({"pk": entry["pk"], "sk": entry["sk"]} for entry in chosen)
        }
        # TTL may have removed an item whose entry in the index is about to follow.
        existing = [items[place] for entry in chosen if (place := (entry["pk"]["S"], entry["sk"]["S"])) in items]
        return NotificationPage(
            [notification_from_item(item) for item in existing],
            chosen[-1]["deadSk"]["S"] if len(entries) > limit else None,
        )

    def _shard(self, tenant: str, at: int, *, after: str | None, page_size: int) -> Iterator[Item]:
        values = {":pk": string_value(keys.undeliverable_partition(tenant, at))}
        if after is not None:
            values[":after"] = string_value(after)
        return self.table.query(
            IndexName=UNDELIVERABLE_INDEX,
            KeyConditionExpression="deadPk = :pk" + (" AND deadSk < :after" if after is not None else ""),
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
            Limit=page_size,
        )


def owner_key(tenant: str, owner: Owner, id: str) -> keys.Key:
    return keys.task_key(tenant, id) if owner == "task" else keys.run_key(tenant, id)


def notification_key(note: Notification) -> keys.Key:
    sort = f"{keys.NOTIFICATION}{note.event}.{note.target}"
    return {"pk": owner_key(note.tenant, note.owner, note.id)["pk"], "sk": {"S": sort}}


def notification_from_item(item: Item) -> StoredNotification:
    def integer(name: str) -> Any:
        return int(item[name]["N"]) if name in item else None

    pk = item["pk"]["S"]
    event, _, target = item["sk"]["S"].removeprefix(keys.NOTIFICATION).rpartition(".")
    return StoredNotification(
        owner="task" if pk.startswith("TASK#") else "workflow",
        id=pk.rpartition("#")[2],
        event=event,
        target=int(target),
        to=item["to"]["S"],
        state=Delivery(item["state"]["S"]),
        attempts=integer("attempts"),
        status=integer("status"),
        error=item["error"]["S"] if "error" in item else None,
        first_at=integer("firstAt"),
        last_at=integer("lastAt"),
    )
