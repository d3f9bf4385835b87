"""SQS on the virtual clock: delay, visibility, receive counts, redrive, and the event source that hands out batches."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tests.simulation.fibers import MS, SECOND

if TYPE_CHECKING:
    from tests.simulation.world import World

DELAY_MAX_SECONDS = 900


@dataclass
class Message:
    id: str
    body: str
    sent_at: int
    visible_at: int
    receives: int = 0
    in_flight: bool = False


@dataclass
class Queue:
    """`function` consumes it in batches of up to `batch`, at most `concurrency` at once. Times in microseconds."""

    world: World
    name: str
    function: str
    visibility: int
    concurrency: int
    max_receives: int = 0
    dead_letters: Queue | None = None
    batch: int = 10
    messages: dict[str, Message] = field(default_factory=dict)
    running: int = 0
    outage_until: int = 0
    """Until then Lambda throttles the function: every receive is one for nothing."""

    @property
    def url(self) -> str:
        return f"https://sqs.us-east-1.amazonaws.com/123456789012/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:us-east-1:123456789012:{self.name}"

    def send(self, body: str, delay_seconds: int = 0) -> Message:
        if not 0 <= delay_seconds <= DELAY_MAX_SECONDS:
            raise ClientError({"Error": {"Code": "InvalidParameterValue", "Message": "DelaySeconds"}}, "SendMessage")
        world = self.world
        world.count("messages")
        message = Message(world.identity("m"), body, world.hub.now, world.hub.now + delay_seconds * SECOND)
        self._add(message)
        return message

    def _add(self, message: Message) -> None:
        self.messages[message.id] = message
        self.look(message.visible_at + self.world.faults.late())

    def look(self, when: int) -> None:
        """The event source looks at the queue a moment after `when`: others that are visible by then come along."""
        self.world.hub.at(when + self.world.faults.pickup(), self.poll)

    def poll(self) -> None:
        world = self.world
        while True:
            visible = [m for m in self.messages.values() if m.visible_at <= world.hub.now]
            if not visible:
                return
            if self.running >= self.concurrency:
                world.count("saturated")
                return
            batch = []
            for message in world.faults.batch(visible, self.batch):
                if self.dead_letters is not None and message.receives >= self.max_receives:
                    world.trace("queue", f"{self.name}: {message.id} goes to the DLQ")
                    world.count("redriven")
                    del self.messages[message.id]
                    self.dead_letters._add(
                        Message(message.id, message.body, message.sent_at, world.hub.now, message.receives)
                    )
                    continue
                message.receives += 1
                message.in_flight = True
                message.visible_at = world.hub.now + self.visibility
                if world.faults.happens("duplicate", f"{self.name} delivers {message.id} twice"):
                    message.visible_at = world.hub.now + world.faults.soon()
                self.look(message.visible_at)
                batch.append(message)
            if batch:
                self._deliver(batch)

    def _deliver(self, batch: list[Message]) -> None:
        world = self.world
        if world.hub.now < self.outage_until and world.faults.on:
            world.faults.note("outage", f"{self.name}: {len(batch)} received, function throttled")
            return
        receipts = {message.id: f"{message.id}/{message.receives}" for message in batch}
        event = {"Records": [self._record(message, receipts[message.id]) for message in batch]}
        self.running += 1

        def done(answer: Any) -> None:
            """`answer`: what the function returned; None when it failed, was killed or ran out of time."""
            self.running -= 1
            if answer is not None:
                kept = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                for message in batch:
                    if message.id not in kept and not world.faults.happens("undeleted", f"{message.id} not deleted"):
                        self.delete(receipts[message.id])
            self.poll()

        world.functions.invoke(self.function, event, done, ", ".join(m.id for m in batch))

    def _record(self, message: Message, receipt: str) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": receipt,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": str(message.sent_at // MS),
                "SenderId": "AIDAEXAMPLE",
                "ApproximateFirstReceiveTimestamp": str(self.world.hub.now // MS),
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(message.body.encode()).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": "us-east-1",
        }

    def delete(self, receipt: str) -> None:
        """With the receipt of an earlier delivery SQS may delete the message or not, and says neither."""
        message = self._of(receipt)
        if message is not None:
            self.world.trace("queue", f"{self.name}: {message.id} deleted")
            del self.messages[message.id]

    def show_again(self, receipt: str, seconds: int) -> None:
        message = self._of(receipt)
        if message is not None:
            message.visible_at = self.world.hub.now + seconds * SECOND
            self.look(message.visible_at)

    def _of(self, receipt: str) -> Message | None:
        identity, _, receives = receipt.partition("/")
        message = self.messages.get(identity)
        if message is not None and message.receives != int(receives) and self.world.faults.coin():
            return None
        return message


class SQS:
    """boto3's SQS client, as far as the functions speak it."""

    def __init__(self, queues: list[Queue]) -> None:
        self.by_url = {queue.url: queue for queue in queues}

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        queue = self.by_url[arguments["QueueUrl"]]
        answer = getattr(self, operation)(queue, arguments)
        return answer if isinstance(answer, dict) else {}

    def send_message(self, queue: Queue, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"MessageId": queue.send(arguments["MessageBody"], arguments.get("DelaySeconds", 0)).id}

    def send_message_batch(self, queue: Queue, arguments: dict[str, Any]) -> dict[str, Any]:
        sent = [
            {"Id": entry["Id"], "MessageId": queue.send(entry["MessageBody"], entry.get("DelaySeconds", 0)).id}
            for entry in arguments["Entries"]
        ]
        return {"Successful": sent}

    def change_message_visibility(self, queue: Queue, arguments: dict[str, Any]) -> None:
        queue.show_again(arguments["ReceiptHandle"], arguments["VisibilityTimeout"])

    def delete_message_batch(self, queue: Queue, arguments: dict[str, Any]) -> dict[str, Any]:
        for entry in arguments["Entries"]:
            queue.delete(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in arguments["Entries"]]}

    def get_queue_attributes(self, queue: Queue, _: dict[str, Any]) -> dict[str, Any]:
        now = queue.world.hub.now
        waiting = [m for m in queue.messages.values() if m.visible_at > now]
        counted = {
            "ApproximateNumberOfMessages": len(queue.messages) - len(waiting),
            "ApproximateNumberOfMessagesNotVisible": sum(m.in_flight for m in waiting),
            "ApproximateNumberOfMessagesDelayed": sum(not m.in_flight for m in waiting),
        }
        return {"Attributes": {name: str(value) for name, value in counted.items()}}
