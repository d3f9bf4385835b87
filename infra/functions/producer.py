"""What EventBridge Scheduler fires (firing), and what scripts of the account submit (producer), becomes tasks."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.acknowledgements import acknowledge
from infra.functions.function import Function
from infra.functions.shared_resources import Foundation
from infra.resources.lanes import CONSUME

TIMEOUT_SECONDS = 30
# Lambda tries an invocation that failed twice more, after one and two minutes; then it is in the queue, from where it
# is tried every five minutes for a day: as long as EventBridge Scheduler itself tries what Lambda refuses.
RETRIES = 2
OLDEST_SECONDS = 3600
PAUSE = cdk.Duration.minutes(5)
KEPT = cdk.Duration.days(1)


class Producer(Construct):
    """Scheduler → firing function; whoever may invoke it → producer function; what they failed at → one queue → firing.

    Two functions of one code: whoever may submit cannot fire, since only Scheduler's role is let in by the other
    (docs/adr/0024).
    """

    def __init__(self, scope: Construct, id: str, *, foundation: Foundation) -> None:
        super().__init__(scope, id)
        schedules = foundation.schedules
        self.failures = sqs.Queue(
            self,
            "Failures",
            visibility_timeout=PAUSE,
            retention_period=KEPT,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
        )
        acknowledge(
            self.failures,
            {"AwsSolutions-SQS3": "Failures end here; after its day a firing is too late to be caught up."},
        )
        self.function = self._door(
            "Handler",
            foundation,
            part="producer",
            name=schedules.producer_name,
        )
        # A submit that failed as an event comes to it, too: one queue is polled, not two.
        self.firing = self._door(
            "Firing",
            foundation,
            part="firing",
            name=schedules.firing_name,
            queue_actions=CONSUME,
        )
        self.firing.take_from(self.failures, scope=self, id="Source", batch=1, at_once=2)

    def _door(
        self,
        id: str,
        foundation: Foundation,
        *,
        part: str,
        name: str,
        queue_actions: Sequence[str] = (),
    ) -> Function:
        """A function of the producer's code; an invocation as an event that it fails at is put into the queue."""
        storage = foundation.storage
        made = Function(
            self,
            id,
            bundle=foundation.bundle,
            part=part,
            package="producer",
            name=name,
            timeout_seconds=TIMEOUT_SECONDS,
            memory=512,
            # What failed comes back from the queue.
            recursive=True,
            environment=foundation.intake_environment(),
            statements=[
                storage.records("GetItem", "PutItem", "UpdateItem", "BatchGetItem"),
                storage.document("GetObject", "PutObject"),
                foundation.lanes.send(),
                *foundation.timers.schedules("CreateSchedule"),
                # GetSchedule: whether a schedule was made before there was a firing function.
                *foundation.schedules.manage("GetSchedule"),
                iam.PolicyStatement(
                    sid="Failures",
                    actions=["sqs:SendMessage", *(f"sqs:{action}" for action in queue_actions)],
                    resources=[self.failures.queue_arn],
                ),
            ],
        )
        made.function.configure_async_invoke(
            retry_attempts=RETRIES,
            max_event_age=cdk.Duration.seconds(OLDEST_SECONDS),
        )
        invoke = made.function.node.find_child("EventInvokeConfig").node.default_child
        assert isinstance(invoke, lambda_.CfnEventInvokeConfig)
        # As a property: as a destination CDK would add a policy beside the role's own (docs/adr/0013).
        invoke.destination_config = lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
            on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=self.failures.queue_arn)
        )
        return made
