"""The lanes: SQS queues that carry wake-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.aws.transient_errors import translate_transient_errors
from functions.core.errors import StoreUnavailable
from functions.core.wakeup import WakeUp

MESSAGES_PER_CALL = 10
"""AWS: SendMessageBatch and DeleteMessageBatch take at most ten."""


@dataclass(frozen=True)
class Lane:
    url: str
    arn: str
    dead_letter_arn: str


@dataclass(frozen=True)
class Depth:
    """As SQS reports them: approximate."""

    queued: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class Queues:
    """`client`: boto3's SQS client. Every method raises StoreUnavailable for what may pass."""

    client: Any
    lanes: Mapping[str, Lane]

    def send(self, lane: str, wakeup: WakeUp, *, delay_seconds: int = 0) -> None:
        delay = {"DelaySeconds": delay_seconds} if delay_seconds else {}
        with translate_transient_errors("SQS"):
            self.client.send_message(QueueUrl=self.lanes[lane].url, MessageBody=wakeup.body(), **delay)

    def send_many(self, lane: str, wakeups: Sequence[tuple[WakeUp, int]]) -> None:
        """Wake-ups with their delays in seconds, ten a call. Raises StoreUnavailable when some were not taken, though
        others were: sent again, those are there twice, which claims make harmless."""
        for start in range(0, len(wakeups), MESSAGES_PER_CALL):
            entries = [
                {"Id": str(at), "MessageBody": wakeup.body()} | ({"DelaySeconds": delay} if delay else {})
                for at, (wakeup, delay) in enumerate(wakeups[start : start + MESSAGES_PER_CALL])
            ]
            with translate_transient_errors("SQS"):
                answer = self.client.send_message_batch(QueueUrl=self.lanes[lane].url, Entries=entries)
            if failed := answer.get("Failed"):
                raise StoreUnavailable("SQS", str(failed[0].get("Code")))

    def change_visibility(self, lane: str, receipt: str, *, seconds: int) -> None:
        """The message of this receipt becomes visible `seconds` from now (AWS: 12 hours from its receipt at most)."""
        with translate_transient_errors("SQS"):
            self.client.change_message_visibility(
                QueueUrl=self.lanes[lane].url, ReceiptHandle=receipt, VisibilityTimeout=min(seconds, 11 * 3600)
            )

    def delete_many(self, lane: str, receipts: Sequence[str]) -> None:
        """Only for a worker that cannot return normally: else the event source mapping deletes what was done."""
        entries = [{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(receipts)]
        for start in range(0, len(entries), MESSAGES_PER_CALL):
            with translate_transient_errors("SQS"):
                self.client.delete_message_batch(
                    QueueUrl=self.lanes[lane].url, Entries=entries[start : start + MESSAGES_PER_CALL]
                )

    def depth(self, lane: str) -> Depth:
        with translate_transient_errors("SQS"):
            found = self.client.get_queue_attributes(
                QueueUrl=self.lanes[lane].url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )["Attributes"]
        return Depth(
            queued=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
        )
