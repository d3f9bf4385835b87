"""The lanes: a queue each, with its dead-letter queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from ..acknowledgements import acknowledge
from ..config import Config, LaneConfig
from ..encryption import Encryption

# Receives before SQS moves a wake-up to the dead-letter queue. Attempts are counted in the record; this counts
# failures before that, throttling included, so it is high.
MAX_RECEIVES = 12
RETENTION = cdk.Duration.days(14)
# Above the dead-letter function's timeout.
DEAD_LETTER_VISIBILITY = cdk.Duration.seconds(40)

CONSUMER_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
"""What Lambda needs for an event source mapping of a queue."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A lane of the configuration with its queues."""

    config: LaneConfig
    queue: sqs.Queue
    dead_letters: sqs.Queue

    @property
    def name(self) -> str:
        return self.config.name


class Lanes(Construct):
    """Every lane's queues, and the statements that let a role use them."""

    def __init__(self, scope: Construct, id: str, *, config: Config, encryption: Encryption) -> None:
        super().__init__(scope, id)
        self.lanes = tuple(self._lane(lane, config=config, encryption=encryption) for lane in config.lanes)

    def _lane(self, lane: LaneConfig, *, config: Config, encryption: Encryption) -> Lane:
        title = lane.name.title()
        dead_letters = encryption.queue(
            self, f"{title}DeadLetters", retention=RETENTION, visibility=DEAD_LETTER_VISIBILITY
        )
        queue = encryption.queue(
            self,
            f"{title}Queue",
            retention=RETENTION,
            visibility=cdk.Duration.seconds(config.visibility_seconds),
            dead_letters=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_RECEIVES),
        )
        return Lane(config=lane, queue=queue, dead_letters=dead_letters)

    def as_json(self) -> str:
        """The variable LANES: where the queues of this deployment are, and of each lane the names of its two queues.
        Names only, so that the lanes of twelve pools fit the 4 KB that a function's variables may have."""
        stack = cdk.Stack.of(self)
        return stack.to_json_string(
            {
                "url": f"https://sqs.{stack.region}.{stack.url_suffix}/{stack.account}/",
                "arn": f"arn:{stack.partition}:sqs:{stack.region}:{stack.account}:",
                "queues": {lane.name: [lane.queue.queue_name, lane.dead_letters.queue_name] for lane in self.lanes},
            }
        )

    def allow_send(self) -> iam.PolicyStatement:
        """Send wake-ups to every lane."""
        return _allow("Wake", ("SendMessage",), [lane.queue for lane in self.lanes])

    def allow_depth(self) -> iam.PolicyStatement:
        """Read the depth of every lane."""
        return _allow("Depth", ("GetQueueAttributes",), [lane.queue for lane in self.lanes])

    def allow_consume_dead_letters(self) -> iam.PolicyStatement:
        """Consume every lane's dead-letter queue."""
        return _allow("ConsumeDeadLetters", CONSUMER_ACTIONS, [lane.dead_letters for lane in self.lanes])


def allow_consume(lane: Lane) -> iam.PolicyStatement:
    """Consume one lane, and return its messages for a later delivery."""
    return _allow("Consume", (*CONSUMER_ACTIONS, "ChangeMessageVisibility"), [lane.queue])


def failure_queue(scope: Construct, id: str, *, encryption: Encryption) -> sqs.Queue:
    """A queue without a consumer: an operator reads it, and an alarm watches it."""
    queue = encryption.queue(scope, id, retention=RETENTION)
    acknowledge(queue, {"AwsSolutions-SQS3": "It is itself where failures end; nothing consumes it that could fail."})
    return queue


def _allow(sid: str, actions: Sequence[str], queues: Sequence[sqs.IQueue]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid, actions=[f"sqs:{action}" for action in actions], resources=[queue.queue_arn for queue in queues]
    )
