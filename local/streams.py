"""DynamoDB streams: what a table's writes append, and the event source mapping that reads it, in order."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from moto.dynamodb.models.utilities import dynamo_json_dump

from local import patterns
from local.clock import Clock, Timer, Timers
from local.functions import Function, Result
from local.intrinsics import REGION
from local.ledger import Index, item_bytes, write_units
from local.queues import failed_ids
from local.stack import EventSource

TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SHARD = "shardId-00000000000000000000-00000000"
"""A local stream has one shard, for good."""


@dataclass(frozen=True)
class Record:
    """One change. `data` is the record as Lambda hands it on."""

    sequence: int
    created: float
    data: dict[str, Any]


class Stream:
    """A table's stream. Takes the place of moto's shard, and hands each change to its readers, without keeping it."""

    def __init__(self, table: Any, arn: str, clock: Clock, count_write: Callable[[int], None]) -> None:
        self._table = table
        self.table_name: str = table.name
        self.arn = arn
        self._clock = clock
        self._count_write = count_write
        self._view = table.stream_specification["StreamViewType"]
        self._sequence = 0
        self._begun: tuple[dict[str, Any], int, Record] | None = None
        self.readers: list[StreamPoller] = []
        self.expiring = False  # whether the change is TTL's
        self._indexes = tuple(
            Index(
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
        # moto creates an item that an update makes with its key alone first, then updates it: these are one write.
        begun, self._begun = self._begun, None
        if before is None and begun and begun[0] == keys:
            units = max(0, units - begun[1])
            for reader in self.readers:
                reader.retract(begun[2])
        self._count_write(units)
        if before == after:
            return  # DynamoDB puts no record of a write that changes nothing
        self._sequence += 1
        record = Record(self._sequence, self._clock.now(), self._data(keys, before, after))
        if before is None and after == keys:
            self._begun = (keys, units, record)
        for reader in self.readers:
            reader.append(record)

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


def expire(table: Any, stream: Stream | None, now: float) -> int:
    """Delete the items whose time to live has passed (AWS takes up to two days for it); how many."""
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


class StreamPoller:
    """One mapping: batches in order, one at a time; a batch that fails blocks what comes after it until it is retried
    enough, or too old, and goes to the failure destination.

    Of a tumbling window it knows what each batch in one has: the event's fields, and an answer that must hold a
    `state`. No window ends here, so there is no call at its end.
    """

    def __init__(
        self,
        source: EventSource,
        function: Function,
        *,
        clock: Clock,
        timers: Timers,
        send_failure: Callable[[str, str], None],
    ) -> None:
        p = source.properties
        self._source = source
        self._function = function
        self._clock = clock
        self._timers = timers
        self._send_failure = send_failure
        self._batch = int(p.get("BatchSize", 100))
        self._window = float(p.get("MaximumBatchingWindowInSeconds", 0))
        self._retries = int(p.get("MaximumRetryAttempts", -1))
        self._max_age = float(p.get("MaximumRecordAgeInSeconds", -1))
        self._bisect = bool(p.get("BisectBatchOnFunctionError"))
        self._tumbling = float(p.get("TumblingWindowInSeconds", 0))
        self._began = clock.now()
        self._state: dict[str, Any] = {}
        filters = p.get("FilterCriteria", {}).get("Filters", [])
        self._filters = [json.loads(one["Pattern"]) for one in filters]
        self._pending: list[Record] = []
        self._task: asyncio.Task[None] | None = None
        self._timer: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether a batch is being handled (not: waiting for its window or for a retry)."""
        return self._task is not None and self._timer is None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def append(self, record: Record) -> None:
        if self._filters and not any(patterns.matches(pattern, record.data) for pattern in self._filters):
            return
        self._pending.append(record)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._timer and self._timer.callback and len(self._pending) >= self._batch:
            callback = self._timer.callback
            self._timer.cancel()
            callback()

    def retract(self, record: Record) -> None:
        """Forget a record that was appended in this very step."""
        if self._pending and self._pending[-1] is record:
            self._pending.pop()

    def close(self) -> None:
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._pending:
                if len(self._pending) < self._batch and self._window:
                    await self._pause(self._window)
                batch, self._pending = self._pending[: self._batch], self._pending[self._batch :]
                await self._handle(batch)
        finally:
            self._task = None

    async def _pause(self, seconds: float) -> None:
        """Wait on the virtual clock."""
        over = asyncio.Event()
        self._timer = self._timers.after(seconds, over.set)
        try:
            await over.wait()
        finally:
            self._timer.cancel()
            self._timer = None

    async def _handle(self, batch: list[Record], attempts: int = 0) -> None:
        """Deliver until done or given up."""
        while batch:
            if 0 <= self._max_age < self._clock.now() - batch[0].created:
                return self._give_up(batch, attempts, "RecordAgeExceeded", None)
            result = await self._invoke(batch)
            attempts += 1
            rest = self._remaining(batch, result)
            if not rest:
                return None
            if len(rest) < len(batch):
                attempts = 1  # it got further: the checkpoint moved
            elif self._bisect and result.failed and len(batch) > 1:
                middle = len(batch) // 2
                await self._handle(batch[:middle], attempts - 1)
                batch, attempts = batch[middle:], attempts - 1
                continue
            batch = rest
            if 0 <= self._retries < attempts:
                return self._give_up(batch, attempts, "RetryAttemptsExhausted", result)
            await self._pause(_RETRY_SECONDS[min(attempts, len(_RETRY_SECONDS)) - 1])
        return None

    async def _invoke(self, batch: list[Record]) -> Result:
        event: dict[str, Any] = {"Records": [record.data for record in batch]}
        if not self._tumbling:
            return await self._function.invoke(json.dumps(event).encode())
        event |= {
            "window": {"start": _iso(self._began), "end": _iso(self._began + self._tumbling)},
            "state": self._state,
            "shardId": _SHARD,
            "eventSourceARN": self._source.source_arn,
            "isFinalInvokeForWindow": False,
            "isWindowTerminatedEarly": False,
        }
        result = await self._function.invoke(json.dumps(event).encode())
        answer = None if result.failed else json.loads(result.payload)
        if not isinstance(answer, dict) or "state" not in answer:
            return replace(result, failed=True)
        self._state = answer["state"]
        return result

    def _remaining(self, batch: list[Record], result: Result) -> list[Record]:
        """From the first record that failed on: Lambda starts again there."""
        if result.failed:
            return batch
        if not self._source.partial_failures:
            return []
        numbers = [record.data["dynamodb"]["SequenceNumber"] for record in batch]
        failed = failed_ids(result.payload, numbers)
        first = next((i for i, number in enumerate(numbers) if number in failed), len(batch))
        return batch[first:]

    def _give_up(self, batch: list[Record], attempts: int, condition: str, result: Result | None) -> None:
        destination = self._source.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        if not destination:
            return
        message: dict[str, Any] = {
            "requestContext": {
                "requestId": result.request_id if result else str(uuid.uuid4()),
                "functionArn": self._source.function.arn,
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "version": "1.0",
            "timestamp": _iso(self._clock.now()),
            "DDBStreamBatchInfo": {
                "shardId": _SHARD,
                "startSequenceNumber": batch[0].data["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": batch[-1].data["dynamodb"]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": _iso(batch[0].created),
                "approximateArrivalOfLastRecord": _iso(batch[-1].created),
                "batchSize": len(batch),
                "streamArn": self._source.source_arn,
            },
        }
        if result:
            message["responseContext"] = {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled" if result.failed else None,
            }
        self._send_failure(destination, json.dumps(message))


def _iso(when: float) -> str:
    moment = datetime.fromtimestamp(when, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
