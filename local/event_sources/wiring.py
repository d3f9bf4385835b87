"""Wires all event sources of a stack to its functions: queues, table streams, schedules, time to live."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from local.aws import moto_backends, provisioning
from local.clock import Clock, VirtualTimers
from local.endpoints.aws import AwsEndpoint
from local.event_sources.queue_poller import QueuePoller
from local.event_sources.stream_poller import StreamPoller
from local.event_sources.table_streams import Stream, delete_expired
from local.functions.async_invocations import AsyncInvocations
from local.functions.function import CONCURRENCY, Function
from local.schedules.scheduler import Scheduler
from local.template.stack import TABLES, EventSource, Stack
from local.usage import Usage


class EventSources:
    """The event sources of a stack. The AWS endpoint notifies them of calls that change a queue or a schedule."""

    def __init__(
        self,
        stack: Stack,
        functions: Mapping[str, Function],
        aws: AwsEndpoint,
        *,
        clock: Clock,
        timers: VirtualTimers,
        usage: Usage,
        randomness: random.Random,
    ) -> None:
        self._functions = functions
        self._aws = aws
        self._clock = clock
        self._timers = timers
        self._usage = usage
        self._streams: dict[str, Stream] = {}
        self._queues: list[QueuePoller] = []
        self._readers: list[StreamPoller] = []
        for name in (name for kind in TABLES for name in stack.of_type(kind)):
            table = provisioning.table_of(stack.reference(name, "Arn"))
            if table.stream_shard:
                arn = stack.reference(name, "StreamArn")
                self._streams[arn] = Stream(table, arn, clock, self._count_write)
        for source in stack.event_sources:
            self.add(source)
        self._invocations = AsyncInvocations(stack, clock=clock, timers=timers, send=self.send)
        schedules = Scheduler(
            clock=clock,
            timers=timers,
            roles=stack.roles,
            send=self.send,
            invoke=lambda arn, text: self._invocations.invoke(functions[arn], text.encode()),
            randomness=randomness,
        )
        aws.invoke_async = self._invocations.invoke
        aws.queue_changed = self._poll_soon
        aws.schedule_changed = schedules.rearm
        aws.schedule_error = schedules.validation_error

    def add(self, source: EventSource) -> None:
        """Deliver from this source, from now on."""
        function = self._functions[source.function.arn]
        if source.source_arn in self._streams:
            reader = StreamPoller(source, function, clock=self._clock, timers=self._timers, send_failure=self.send)
            self._streams[source.source_arn].readers.append(reader)
            self._readers.append(reader)
            return
        limit = source.properties.get("ScalingConfig", {}).get("MaximumConcurrency", CONCURRENCY)
        self._queues.append(
            QueuePoller(
                source,
                provisioning.queue_of(source.source_arn),
                function,
                concurrency=min(limit, function.concurrency),
                clock=self._clock,
                timers=self._timers,
                usage=self._usage,
                dead_lettered=lambda dead: self._aws.notify_queue(dead.name),
            )
        )

    def observe(self, observer: Callable[[dict[str, Any]], None]) -> None:
        """`observer` gets each record of all tables' streams."""
        for stream in self._streams.values():
            stream.observers.append(observer)

    def busy(self, *, windows: bool) -> bool:
        """Whether any delivery is in progress; with `windows` also a batch that waits for its window or retry."""
        return (
            self._invocations.busy
            or any(poller.busy for poller in self._queues)
            or any(reader.busy if windows else reader.running for reader in self._readers)
        )

    def send(self, queue_arn: str, text: str) -> None:
        """Put a message of AWS itself into a queue: of a schedule, or about a batch that failed for good."""
        queue = provisioning.queue_of(queue_arn)
        moto_backends.backend("sqs").send_message(queue.name, text)
        self._usage.count("events", "sqs", "SendMessage")
        self._aws.notify_queue(queue.name)

    def delete_expired(self) -> int:
        """Delete the items past their time to live. Returns their number."""
        self._aws.current_caller = "ttl"
        streams = {stream.table_name: stream for stream in self._streams.values()}
        tables = moto_backends.backend("dynamodb").tables
        return sum(delete_expired(table, streams.get(name), self._clock.now()) for name, table in tables.items())

    def close(self) -> None:
        for poller in self._queues:
            poller.close()
        for reader in self._readers:
            reader.close()

    def _poll_soon(self, queue_name: str) -> None:
        for poller in self._queues:
            if poller.queue.name == queue_name:
                poller.poll_soon()

    def _count_write(self, units: int) -> None:
        self._usage.write_units[self._aws.current_caller] += units
