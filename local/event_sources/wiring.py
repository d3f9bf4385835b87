"""All event sources of a stack: queue pollers, stream pollers, schedules, time to live."""

from __future__ import annotations

import random

from local.aws import moto_backends, provisioning
from local.clock import Clock, Timers
from local.endpoints.aws import AwsEndpoint
from local.event_sources.queue_poller import QueuePoller
from local.event_sources.stream_poller import StreamPoller
from local.event_sources.table_streams import Stream, expire
from local.functions.async_invocations import AsyncInvocations
from local.functions.function import CONCURRENCY, Function
from local.schedules.scheduler import Schedules
from local.template.stack import Stack
from local.usage import Ledger


class EventSources:
    """Wires the template's event source mappings, and tells them of what AWS calls change."""

    def __init__(
        self,
        stack: Stack,
        functions: dict[str, Function],
        aws: AwsEndpoint,
        *,
        clock: Clock,
        timers: Timers,
        ledger: Ledger,
        randomness: random.Random,
    ) -> None:
        self._aws = aws
        self._clock = clock
        self._ledger = ledger
        self._streams: dict[str, Stream] = {}
        self._queues: list[QueuePoller] = []
        self._readers: list[StreamPoller] = []
        for name in stack.of_type("AWS::DynamoDB::Table"):
            table = provisioning.table_of(stack.reference(name, "Arn"))
            if table.stream_shard:
                arn = stack.reference(name, "StreamArn")
                self._streams[arn] = Stream(table, arn, clock, self._count_write)
        for source in stack.event_sources:
            function = functions[source.function.arn]
            if source.source_arn in self._streams:
                reader = StreamPoller(source, function, clock=clock, timers=timers, send_failure=self.send)
                self._streams[source.source_arn].readers.append(reader)
                self._readers.append(reader)
                continue
            limit = source.properties.get("ScalingConfig", {}).get("MaximumConcurrency", CONCURRENCY)
            self._queues.append(
                QueuePoller(
                    source,
                    provisioning.queue_of(source.source_arn),
                    function,
                    concurrency=min(limit, CONCURRENCY),
                    clock=clock,
                    timers=timers,
                    ledger=ledger,
                    dead_lettered=lambda dead: aws.note_queue(dead.name),
                )
            )
        self._invocations = AsyncInvocations(stack, clock=clock, timers=timers, send=self.send)
        schedules = Schedules(
            clock=clock,
            timers=timers,
            roles=stack.roles,
            send=self.send,
            invoke=lambda arn, text: self._invocations.invoke(functions[arn], text.encode()),
            randomness=randomness,
        )
        aws.invoke_async = self._invocations.invoke
        aws.queue_changed = self._kick
        aws.schedule_changed = schedules.refresh
        aws.refuse_schedule = schedules.refuse

    def busy(self, *, windows: bool) -> bool:
        """Whether anything is under way; with `windows` also what waits for a stream's batching window or retry."""
        return (
            self._invocations.busy
            or any(poller.busy for poller in self._queues)
            or any(reader.busy if windows else reader.running for reader in self._readers)
        )

    def send(self, queue_arn: str, text: str) -> None:
        """A message of AWS's own: from a schedule, or about a batch that failed for good."""
        queue = provisioning.queue_of(queue_arn)
        moto_backends.backend("sqs").send_message(queue.name, text)
        self._ledger.count("events", "sqs", "SendMessage")
        self._aws.note_queue(queue.name)

    def expire(self) -> int:
        """Delete what is past its time to live; how many items."""
        self._aws.caller = "ttl"
        streams = {stream.table_name: stream for stream in self._streams.values()}
        tables = moto_backends.backend("dynamodb").tables
        return sum(expire(table, streams.get(name), self._clock.now()) for name, table in tables.items())

    def close(self) -> None:
        for poller in self._queues:
            poller.close()
        for reader in self._readers:
            reader.close()

    def _kick(self, queue_name: str) -> None:
        for poller in self._queues:
            if poller.queue.name == queue_name:
                poller.kick()

    def _count_write(self, units: int) -> None:
        self._ledger.write_units[self._aws.caller] += units
