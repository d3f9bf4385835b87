"""The workers: one function per lane, so that a lane's concurrency, errors and permissions are its own."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import Config
from infra.function import Bundle, Function
from infra.lanes import Lane, Lanes, consume
from infra.storage import Storage
from infra.timers import Timers
from infra.workflow import Machines

BATCH = 10


class Worker(Construct):
    """Lane queue → worker function: batches of ten, each message settled on its own."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        bundle: Bundle,
        storage: Storage,
        lanes: Lanes,
        lane: Lane,
        timers: Timers,
        machines: Machines,
    ) -> None:
        super().__init__(scope, id)
        self.lane = lane
        self.function = Function(
            self,
            "Handler",
            bundle=bundle,
            part="worker",
            timeout_seconds=config.worker_timeout_seconds,
            memory=config.worker_memory,
            # A task that waits or retries is sent again by its own worker; the attempt cap bounds the hops.
            recursive=True,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "DOCUMENT_BUCKET": storage.documents.bucket_name,
                "LANE": lane.name,
                "LANES": lanes.as_json(),
                "TIMER_GROUP": timers.group.ref,
                "TIMER_ROLE_ARN": timers.role.role_arn,
                "WORKER_TIMEOUT_SECONDS": str(config.worker_timeout_seconds),
                "RETENTION_DAYS": str(config.retention_days),
                "LISTING_SHARDS": str(config.listing_shards),
                "MAIL_FROM": config.mail_from,
                "NOTIFY_MACHINE_ARN": machines.notify_arn,
            },
            statements=[
                storage.records("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "Query"),
                storage.document("GetObject", "PutObject"),
                consume(lane),
                lanes.send(),
                *timers.schedules("CreateSchedule"),
                machines.answer(),
                machines.start_notifications(),
                mail(self),
            ],
        )
        lambda_.CfnEventSourceMapping(
            self,
            "Source",
            function_name=self.function.function.function_arn,
            event_source_arn=lane.queue.queue_arn,
            batch_size=BATCH,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                maximum_concurrency=lane.config.max_concurrency
            ),
        )


class Workers(Construct):
    """A worker for each lane."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        bundle: Bundle,
        storage: Storage,
        lanes: Lanes,
        timers: Timers,
        machines: Machines,
    ) -> None:
        super().__init__(scope, id)
        self.workers = tuple(
            Worker(
                self,
                lane.name.title(),
                config=config,
                bundle=bundle,
                storage=storage,
                lanes=lanes,
                lane=lane,
                timers=timers,
                machines=machines,
            )
            for lane in lanes.lanes
        )


def mail(scope: Construct) -> iam.PolicyStatement:
    """SES asks for the sender's identity, and in its sandbox for the recipient's too: any of this account's."""
    identities = cdk.Stack.of(scope).format_arn(service="ses", resource="identity", resource_name="*")
    return iam.PolicyStatement(sid="Mail", actions=["ses:SendEmail"], resources=[identities])
