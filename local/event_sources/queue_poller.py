"""The event source mapping of a queue: batches of messages for a function, as Lambda's pollers deliver them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from moto.sqs.models import Message

from local.aws.moto_queues import has_visible_message, next_visible_ms, receive_messages
from local.clock import Clock, VirtualTimer, VirtualTimers
from local.event_sources.partial_failures import failed_ids
from local.functions.function import Function
from local.template.intrinsics import REGION
from local.template.stack import EventSource
from local.usage import Usage

# Lambda's own pollers take some 16 ms (p50) to notice a message; in a few, messages sent together share a batch.
BATCHING_SECONDS = 0.004


class QueuePoller:
    """One event source mapping. It polls only after `poll_soon`, or when a hidden message becomes visible."""

    def __init__(
        self,
        source: EventSource,
        queue: Any,
        function: Function,
        *,
        concurrency: int,
        clock: Clock,
        timers: VirtualTimers,
        usage: Usage,
        dead_lettered: Callable[[Any], None],
    ) -> None:
        self._source = source
        self.queue = queue
        self._function = function
        self._free_invocations = concurrency
        self._batch = int(source.properties.get("BatchSize", 10))
        self._clock = clock
        self._timers = timers
        self._usage = usage
        self._dead_lettered = dead_lettered
        self._caller = f"{source.function.label}/poller"
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._next_poll: asyncio.TimerHandle | None = None
        self._timer: VirtualTimer | None = None

    @property
    def busy(self) -> bool:
        return bool(self._tasks) or self._next_poll is not None or has_visible_message(self.queue, self._clock.now_ms())

    def poll_soon(self) -> None:
        if self._next_poll is None and self._free_invocations:
            self._next_poll = self._loop.call_later(BATCHING_SECONDS, self._poll)

    def close(self) -> None:
        if self._next_poll:
            self._next_poll.cancel()
        for task in self._tasks:
            task.cancel()

    def _poll(self) -> None:
        self._next_poll = None
        while self._free_invocations:
            now = self._clock.now_ms()
            messages = receive_messages(self.queue, self._batch, now, self._dead_lettered)
            if not messages:
                break
            self._usage.count(self._caller, "sqs", "ReceiveMessage")
            self._free_invocations -= 1
            task = self._loop.create_task(self._deliver(messages, [m.receipt_handle for m in messages]))
            self._tasks.add(task)
            task.add_done_callback(self._on_delivery_end)
        self._arm()

    def _arm(self) -> None:
        """Wake when the next hidden message becomes visible."""
        if self._timer:
            self._timer.cancel()
        at = next_visible_ms(self.queue, self._clock.now_ms())
        self._timer = self._timers.at(at / 1000 + 0.001, self.poll_soon) if at is not None else None

    def _on_delivery_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free_invocations += 1
        if not task.cancelled():
            task.result()
            self.poll_soon()

    async def _deliver(self, messages: list[Message], receipts: list[str | None]) -> None:
        records = [self._record(message, receipt) for message, receipt in zip(messages, receipts, strict=True)]
        result = await self._function.invoke(json.dumps({"Records": records}).encode())
        if result.failed:
            return  # all stay hidden until their visibility timeout ends
        failed = failed_ids(result.payload, [m.id for m in messages]) if self._source.partial_failures else set()
        done = [m for m in messages if m.id not in failed]
        if done:
            self._usage.count(self._caller, "sqs", "DeleteMessageBatch")
        for message in done:
            if message in self.queue._messages:  # also when it was received again in the meantime, as SQS mostly does
                self.queue._messages.remove(message)

    def _record(self, message: Message, receipt: str | None) -> dict[str, Any]:
        attributes = {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        }
        if message.group_id is not None:
            attributes["MessageGroupId"] = message.group_id
        if trace := message.system_attributes.get("AWSTraceHeader", {}).get("StringValue"):
            attributes["AWSTraceHeader"] = trace
        return {
            "messageId": message.id,
            "receiptHandle": receipt,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": {
                name: {
                    "stringValue": value.get("StringValue"),
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in message.message_attributes.items()
            },
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._source.source_arn,
            "awsRegion": REGION,
        }
