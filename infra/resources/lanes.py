"""The lanes: a queue each, with its dead-letter queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Every lane's queues, and the statements that let a role use them: those of the default pool first. A lane that is
    added later is added to the statements, too, whoever has them."""

    def __init__(self, scope: Construct, id: str, *, config: Config, encryption: Encryption) -> None:
        super().__init__(scope, id)
        self._encryption = encryption
        self._name = config.name
        self._grants: list[tuple[iam.PolicyStatement, Callable[[Lane], Sequence[sqs.Queue]]]] = []
        self.lanes: list[Lane] = []
        for lane in config.lanes:
            title = lane.name.title()
            self._make(self, lane, config.visibility_seconds, ids=(f"{title}Queue", f"{title}DeadLetters"))

    def add(self, scope: Construct, lane: LaneConfig, *, visibility_seconds: int) -> Lane:
        """A lane of another pool than the default one. Its queues have short names of their own: LANES holds those of
        all lanes."""
        return self._make(
            scope,
            lane,
            visibility_seconds,
            ids=(f"{lane.name}-queue", f"{lane.name}-dead-letters"),
            names=(f"{self._name}-{lane.name}", f"{self._name}-{lane.name}-d"),
        )

    def _make(
        self,
        scope: Construct,
        config: LaneConfig,
        visibility_seconds: int,
        *,
        ids: tuple[str, str],
        names: tuple[str | None, str | None] = (None, None),
    ) -> Lane:
        """`ids`, `names`: of the queue, and of its dead-letter queue."""
        dead_letters = self._encryption.queue(
            scope, ids[1], name=names[1], retention=RETENTION, visibility=DEAD_LETTER_VISIBILITY
        )
        queue = self._encryption.queue(
            scope,
            ids[0],
            name=names[0],
            retention=RETENTION,
            visibility=cdk.Duration.seconds(visibility_seconds),
            dead_letters=sqs.DeadLetterQueue(queue=dead_letters, max_receive_count=MAX_RECEIVES),
        )
        lane = Lane(config=config, queue=queue, dead_letters=dead_letters)
        self.lanes.append(lane)
        for statement, queues_of in self._grants:
            statement.add_resources(*(queue.queue_arn for queue in queues_of(lane)))
        return lane

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
        return self._grant("Wake", ("SendMessage",), lambda lane: [lane.queue])

    def allow_fire(self) -> iam.PolicyStatement:
        """Send to every lane, and to its dead-letter queue what cannot be sent there."""
        return self._grant("Wake", ("SendMessage",), lambda lane: [lane.queue, lane.dead_letters])

    def allow_depth(self) -> iam.PolicyStatement:
        """Read the depth of every lane."""
        return self._grant("Depth", ("GetQueueAttributes",), lambda lane: [lane.queue])

    def allow_consume_dead_letters(self) -> iam.PolicyStatement:
        """Consume every lane's dead-letter queue."""
        return self._grant("ConsumeDeadLetters", CONSUMER_ACTIONS, lambda lane: [lane.dead_letters])

    def _grant(
        self, sid: str, actions: Sequence[str], queues_of: Callable[[Lane], Sequence[sqs.Queue]]
    ) -> iam.PolicyStatement:
        statement = _allow(sid, actions, [queue for lane in self.lanes for queue in queues_of(lane)])
        self._grants.append((statement, queues_of))
        return statement


def allow_consume(*lanes: Lane) -> iam.PolicyStatement:
    """Consume lanes, and return their messages for a later delivery."""
    return _allow("Consume", (*CONSUMER_ACTIONS, "ChangeMessageVisibility"), [lane.queue for lane in lanes])


def failure_queue(scope: Construct, id: str, *, encryption: Encryption) -> sqs.Queue:
    """A queue without a consumer: an operator reads it, and an alarm watches it."""
    queue = encryption.queue(scope, id, retention=RETENTION)
    acknowledge(queue, {"AwsSolutions-SQS3": "It is itself where failures end; nothing consumes it that could fail."})
    return queue


def _allow(sid: str, actions: Sequence[str], queues: Sequence[sqs.IQueue]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid, actions=[f"sqs:{action}" for action in actions], resources=[queue.queue_arn for queue in queues]
    )
