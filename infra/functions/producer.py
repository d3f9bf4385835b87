"""Tasks without HTTP: the firing function for EventBridge Scheduler, the producer function for scripts."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..acknowledgements import acknowledge
from ..resources.lanes import CONSUMER_ACTIONS
from .function import Function
from .shared_resources import SharedResources

TIMEOUT_SECONDS = 30
# Lambda tries an invocation that failed twice more, after one and two minutes; then it is in the queue, from where it
# is tried every five minutes for a day: as long as EventBridge Scheduler itself tries what Lambda refuses.
RETRY_ATTEMPTS = 2
MAX_EVENT_AGE_SECONDS = 3600
RETRY_INTERVAL = cdk.Duration.minutes(5)
FAILURES_RETENTION = cdk.Duration.days(1)


class Producer(Construct):
    """Scheduler → firing function; scripts → producer function; failed invocations → one queue → firing function.

    Two functions with the same code, so that a role that may submit cannot fire schedules: only Scheduler's role may
    invoke the firing function (docs/adr/0024).
    """

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        schedules = shared.schedules
        self.failures = shared.package.encryption.queue(
            self, "Failures", retention=FAILURES_RETENTION, visibility=RETRY_INTERVAL
        )
        acknowledge(
            self.failures,
            {"AwsSolutions-SQS3": "Failures end here; after its day a firing is too late to be caught up."},
        )
        self.function = self._producer_function(
            "Handler",
            shared,
            service="producer",
            name=schedules.producer_name,
            schedule_actions=("UpdateSchedule", "DeleteSchedule"),
        )
        # It also retries asynchronous submits that failed: so one queue is polled, not two.
        self.firing = self._producer_function(
            "Firing",
            shared,
            service="firing",
            name=schedules.firing_name,
            # It makes a schedule again that Scheduler has lost.
            schedule_actions=("CreateSchedule", "UpdateSchedule", "DeleteSchedule"),
            queue_actions=CONSUMER_ACTIONS,
            # A schedule that submits a workflow is never older than the firing function.
            statements=[shared.machines.allow_start_runs()],
        )
        self.firing.add_queue_source(self.failures, scope=self, id="Source", batch_size=1, max_concurrency=2)

    def _producer_function(
        self,
        id: str,
        shared: SharedResources,
        *,
        service: str,
        name: str,
        schedule_actions: Sequence[str],
        queue_actions: Sequence[str] = (),
        statements: Sequence[iam.PolicyStatement] = (),
    ) -> Function:
        """A function with the producer's code. Its failed asynchronous invocations go to the queue. `statements`: what
        it may do beside what both may."""
        storage = shared.storage
        function = Function(
            self,
            id,
            package=shared.package,
            service=service,
            folder="producer",
            name=name,
            timeout_seconds=TIMEOUT_SECONDS,
            memory=512,
            # It consumes the queue that its own failures go to.
            recursive=True,
            environment=shared.intake_environment(),
            statements=[
                storage.allow_records("GetItem", "PutItem", "UpdateItem", "BatchGetItem"),
                storage.allow_documents("GetObject", "PutObject"),
                shared.lanes.allow_send(),
                *shared.timers.allow("CreateSchedule"),
                # GetSchedule shows whether a schedule is older than the firing function.
                *shared.schedules.allow("GetSchedule", *schedule_actions),
                iam.PolicyStatement(
                    sid="Failures",
                    actions=["sqs:SendMessage", *(f"sqs:{action}" for action in queue_actions)],
                    resources=[self.failures.queue_arn],
                ),
                *statements,
            ],
        )
        function.function.configure_async_invoke(
            retry_attempts=RETRY_ATTEMPTS,
            max_event_age=cdk.Duration.seconds(MAX_EVENT_AGE_SECONDS),
        )
        invoke = function.function.node.find_child("EventInvokeConfig").node.default_child
        assert isinstance(invoke, lambda_.CfnEventInvokeConfig)
        # Set as a property: for a destination CDK would add a policy to the role (docs/adr/0013).
        invoke.destination_config = lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
            on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=self.failures.queue_arn)
        )
        return function
