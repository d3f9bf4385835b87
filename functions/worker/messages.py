"""A wake-up as SQS delivers it, and what happens to its message afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from functions.core.outcomes import Failed
from functions.core.task import Task
from functions.core.wakeup import WakeUp


class Message(NamedTuple):
    """`sent_at`: epoch ms. `receives`: how often SQS has delivered the message, 1 the first time."""

    id: str
    receipt: str
    wakeup: WakeUp
    sent_at: int
    receives: int

    @classmethod
    def from_sqs(cls, record: Mapping[str, Any]) -> Message:
        """`record`: one of an SQS event. Raises ValueError when its body is not a wake-up."""
        attributes = record["attributes"]
        return cls(
            id=record["messageId"],
            receipt=record["receiptHandle"],
            wakeup=WakeUp.parse(record["body"]),
            sent_at=int(attributes["SentTimestamp"]),
            receives=int(attributes["ApproximateReceiveCount"]),
        )


class Delete:
    """Everything is done: the message is deleted."""


class ShowAgain(NamedTuple):
    """The message stays in the queue and becomes visible again after `seconds`. None: when its visibility ends."""

    seconds: int | None


class RunAlone(NamedTuple):
    """The last worker of this task died in attempt `attempt`. The task may have killed it, so the next attempt runs
    when nothing else runs in this process."""

    attempt: int


class Stuck(NamedTuple):
    """The attempt timed out, but the code of its handler still runs. It is settled last; then the process ends."""

    task: Task
    outcome: Failed
    log: tuple[str, ...]


Disposition = Delete | ShowAgain | RunAlone | Stuck
