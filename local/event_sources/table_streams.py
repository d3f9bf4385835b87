"""DynamoDB streams: a record for each change of a table, and the deletion of expired items."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from moto.dynamodb.models.utilities import dynamo_json_dump

from local.aws.capacity import SecondaryIndex, item_bytes, write_units
from local.clock import Clock
from local.event_sources.stream_poller import ChangeRecord, StreamPoller
from local.template.intrinsics import REGION

TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


class Stream:
    """A table's stream. It replaces moto's shard and passes each change to its pollers without storing it."""

    def __init__(self, table: Any, arn: str, clock: Clock, count_write: Callable[[int], None]) -> None:
        self._table = table
        self.table_name: str = table.name
        self.arn = arn
        self._clock = clock
        self._count_write = count_write
        self._view = table.stream_specification["StreamViewType"]
        self._sequence = 0
        self._new_item: tuple[dict[str, Any], int, ChangeRecord] | None = None
        self.readers: list[StreamPoller] = []
        self.observers: list[Callable[[dict[str, Any]], None]] = []
        self.expiring = False  # whether TTL makes the changes
        self._indexes = tuple(
            SecondaryIndex(
                tuple(index.schema_key_attrs),
                None
                if index.projection["ProjectionType"] == "ALL"
                else frozenset(
                    [*table.table_key_attrs, *index.schema_key_attrs, *index.projection.get("NonKeyAttributes", [])]
                ),
            )
            for index in table.global_indexes
        )
        # moto's tables call this for each write.
        table.stream_shard.add = self.add

    def add(self, old: Any, new: Any) -> None:
        """A write: `old` and `new` are moto's items."""
        before, after = _image(old), _image(new)
        keys = {name: (before or after or {})[name] for name in self._table.table_key_attrs}
        units = write_units(before, after, self._indexes)
        # For an update that creates an item, moto first stores the key alone, then updates it: these are one write.
        new_item, self._new_item = self._new_item, None
        if before is None and new_item and new_item[0] == keys:
            units = max(0, units - new_item[1])
            for reader in self.readers:
                reader.retract(new_item[2])
        self._count_write(units)
        if before == after:
            return  # DynamoDB writes no record when nothing changes
        self._sequence += 1
        record = ChangeRecord(self._sequence, self._clock.now(), self._data(keys, before, after))
        if before is None and after == keys:
            self._new_item = (keys, units, record)
        for reader in self.readers:
            reader.append(record)
        for observe in self.observers:
            observe(record.data)

    def _data(self, keys: dict[str, Any], before: Any, after: Any) -> dict[str, Any]:
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": int(self._clock.now()),
            "Keys": keys,
            "SequenceNumber": f"{self._sequence:021d}",
            "SizeBytes": item_bytes(keys) + item_bytes(before) + item_bytes(after),
            "StreamViewType": self._view,
        }
        if after is not None and self._view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
            change["NewImage"] = after
        if before is not None and self._view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
            change["OldImage"] = before
        data = {
            "eventID": uuid.uuid4().hex,
            "eventName": "INSERT" if before is None else "REMOVE" if after is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": change,
            "eventSourceARN": self.arn,
        }
        return {**data, "userIdentity": TTL_IDENTITY} if self.expiring else data


def _image(item: Any) -> dict[str, Any] | None:
    if item is None:
        return None
    image: dict[str, Any] = json.loads(dynamo_json_dump(item.attrs))
    return image


def delete_expired(table: Any, stream: Stream | None, now: float) -> int:
    """Delete the items whose time to live has passed. Returns their number. AWS takes up to two days for it."""
    attribute = table.ttl.get("AttributeName")
    if not attribute:
        return 0
    expired = []
    for item in table.all_items():
        value = item.attrs.get(attribute)
        if value is not None and value.type == "N" and float(value.value) <= now:
            expired.append(item)
    if stream:
        stream.expiring = True
    try:
        for item in expired:
            table.delete_item(item.hash_key, item.range_key)
    finally:
        if stream:
            stream.expiring = False
    return len(expired)
