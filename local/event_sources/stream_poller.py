"""The event source mapping of a table's stream: batches in order, one at a time, as Lambda's pollers read them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from local.clock import Clock, VirtualTimer, VirtualTimers
from local.event_sources import filter_patterns
from local.event_sources.partial_failures import failed_ids
from local.functions.function import Function, InvocationResult
from local.template.stack import EventSource

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SHARD = "shardId-00000000000000000000-00000000"
"""A local stream has one shard, for good."""


@dataclass(frozen=True)
class ChangeRecord:
    """One change of an item. `data` is the record of the event."""

    sequence: int
    created: float
    data: dict[str, Any]


class StreamPoller:
    """One event source mapping: batches in order, one at a time. A batch that fails blocks the records behind it until
    its retries are used up or it is too old; then it goes to the failure destination.

    With a tumbling window the event has the window's fields, and the response must have a `state`. The window never
    ends here, so there is no final invocation.
    """

    def __init__(
        self,
        source: EventSource,
        function: Function,
        *,
        clock: Clock,
        timers: VirtualTimers,
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
        self._pending: list[ChangeRecord] = []
        self._task: asyncio.Task[None] | None = None
        self._timer: VirtualTimer | None = None

    @property
    def running(self) -> bool:
        """Whether a batch is being handled (not: waiting for its window or for a retry)."""
        return self._task is not None and self._timer is None

    @property
    def busy(self) -> bool:
        return self._task is not None

    def append(self, record: ChangeRecord) -> None:
        if self._filters and not any(filter_patterns.matches(pattern, record.data) for pattern in self._filters):
            return
        self._pending.append(record)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif self._timer and self._timer.callback and len(self._pending) >= self._batch:
            callback = self._timer.callback
            self._timer.cancel()
            callback()

    def retract(self, record: ChangeRecord) -> None:
        """Remove a record that was appended in the same step of the loop."""
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

    async def _handle(self, batch: list[ChangeRecord], attempts: int = 0) -> None:
        """Deliver a batch until it succeeds or is given up."""
        while batch:
            if 0 <= self._max_age < self._clock.now() - batch[0].created:
                return self._give_up(batch, attempts, "RecordAgeExceeded", None)
            result = await self._invoke(batch)
            attempts += 1
            rest = self._remaining(batch, result)
            if not rest:
                return None
            if len(rest) < len(batch):
                attempts = 1  # part of the batch succeeded: the checkpoint moved
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

    async def _invoke(self, batch: list[ChangeRecord]) -> InvocationResult:
        event: dict[str, Any] = {"Records": [record.data for record in batch]}
        if not self._tumbling:
            return await self._function.invoke(json.dumps(event).encode())
        event |= {
            "window": {"start": _iso_time(self._began), "end": _iso_time(self._began + self._tumbling)},
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

    def _remaining(self, batch: list[ChangeRecord], result: InvocationResult) -> list[ChangeRecord]:
        """The records from the first failed one on: Lambda delivers these again."""
        if result.failed:
            return batch
        if not self._source.partial_failures:
            return []
        numbers = [record.data["dynamodb"]["SequenceNumber"] for record in batch]
        failed = failed_ids(result.payload, numbers)
        first = next((i for i, number in enumerate(numbers) if number in failed), len(batch))
        return batch[first:]

    def _give_up(
        self, batch: list[ChangeRecord], attempts: int, condition: str, result: InvocationResult | None
    ) -> None:
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
            "timestamp": _iso_time(self._clock.now()),
            "DDBStreamBatchInfo": {
                "shardId": _SHARD,
                "startSequenceNumber": batch[0].data["dynamodb"]["SequenceNumber"],
                "endSequenceNumber": batch[-1].data["dynamodb"]["SequenceNumber"],
                "approximateArrivalOfFirstRecord": _iso_time(batch[0].created),
                "approximateArrivalOfLastRecord": _iso_time(batch[-1].created),
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


def _iso_time(when: float) -> str:
    moment = datetime.fromtimestamp(when, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
