"""The lanes: SQS queues that carry wake-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from functions.aws.transient_errors import translate_transient_errors
from functions.core.errors import StoreUnavailable
from functions.core.wakeup import WakeUp

MESSAGES_PER_CALL = 10
"""AWS: SendMessageBatch and DeleteMessageBatch accept at most ten messages."""


class Lane(NamedTuple):
    url: str
    arn: str
    dead_letter_arn: str


class Depth(NamedTuple):
    """Numbers of messages, approximate, as SQS reports them."""

    queued: int
    in_flight: int
    delayed: int


class Queues:
    """`client`: of SQS. Every method raises StoreUnavailable for a transient error."""

    def __init__(self, client: Any, lanes: Mapping[str, Lane]) -> None:
        self.client = client
        self.lanes = lanes

    def lane(self, name: str) -> Lane:
        """Raises StoreUnavailable for a lane that is not there. During a deployment, a function may have its new code,
        with a new pool, for some seconds before its new variables."""
        if name not in self.lanes:
            raise StoreUnavailable("SQS", f"no lane {name} in this deployment")
        return self.lanes[name]

    def send(self, lane: str, wakeup: WakeUp, *, delay_seconds: int = 0) -> None:
        delay = {"DelaySeconds": delay_seconds} if delay_seconds else {}
        with translate_transient_errors("SQS"):
            self.client.send_message(QueueUrl=self.lane(lane).url, MessageBody=wakeup.body(), **delay)

    def send_many(self, lane: str, wakeups: Sequence[tuple[WakeUp, int]]) -> None:
        """`wakeups`: with their delays in seconds; ten per call. Raises StoreUnavailable when SQS did not accept all of
        them. A repetition sends some of them twice, which is harmless: one claim wins."""
        for start in range(0, len(wakeups), MESSAGES_PER_CALL):
            entries = [
                {"Id": str(at), "MessageBody": wakeup.body()} | ({"DelaySeconds": delay} if delay else {})
                for at, (wakeup, delay) in enumerate(wakeups[start : start + MESSAGES_PER_CALL])
            ]
            with translate_transient_errors("SQS"):
                response = self.client.send_message_batch(QueueUrl=self.lane(lane).url, Entries=entries)
            if failed := response.get("Failed"):
                raise StoreUnavailable("SQS", str(failed[0].get("Code")))

    def change_visibility(self, lane: str, receipt: str, *, seconds: int) -> None:
        """Makes the message visible again after `seconds` (AWS: at most 12 hours after its receipt)."""
        with translate_transient_errors("SQS"):
            self.client.change_message_visibility(
                QueueUrl=self.lane(lane).url, ReceiptHandle=receipt, VisibilityTimeout=min(seconds, 11 * 3600)
            )

    def delete_many(self, lane: str, receipts: Sequence[str]) -> None:
        """Deletes messages by their receipts, for a worker that cannot return normally. Otherwise the event source
        mapping deletes the messages that are done."""
        entries = [{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(receipts)]
        for start in range(0, len(entries), MESSAGES_PER_CALL):
            with translate_transient_errors("SQS"):
                self.client.delete_message_batch(
                    QueueUrl=self.lane(lane).url, Entries=entries[start : start + MESSAGES_PER_CALL]
                )

    def depth(self, lane: str) -> Depth:
        with translate_transient_errors("SQS"):
            attributes = self.client.get_queue_attributes(
                QueueUrl=self.lane(lane).url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )["Attributes"]
        return Depth(
            queued=int(attributes["ApproximateNumberOfMessages"]),
            in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
        )
