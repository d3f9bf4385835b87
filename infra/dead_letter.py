"""What reached a dead-letter queue: wake-ups that crashed too often, or were never let in."""

from __future__ import annotations

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.config import Config
from infra.function import Bundle, Function
from infra.lanes import Lanes
from infra.storage import Storage
from infra.timers import Timers
from infra.workflow import Machines

BATCH = 10


class DeadLetter(Construct):
    """Every lane's dead-letter queue → one dead-letter function, which settles the task or sends its wake-up round."""

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
        self.function = Function(
            self,
            "Handler",
            bundle=bundle,
            part="dead-letter",
            timeout_seconds=30,
            memory=256,
            # What it sends round may come back to it for as long as workers are throttled: docs/adr/0010.
            recursive=True,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "LANES": lanes.as_json(),
                "TIMER_GROUP": timers.group.ref,
                "TIMER_ROLE_ARN": timers.role.role_arn,
                "RETENTION_DAYS": str(config.retention_days),
                "LISTING_SHARDS": str(config.listing_shards),
                "WORKER_TIMEOUT_SECONDS": str(config.worker_timeout_seconds),
                "NOTIFY_MACHINE_ARN": machines.notify_arn,
            },
            statements=[
                storage.records("GetItem", "BatchGetItem", "Query", "UpdateItem"),
                lanes.consume_dead_letters(),
                lanes.send(),
                *timers.schedules("CreateSchedule"),
                machines.answer(),
                machines.start_notifications(),
            ],
        )
        for lane in lanes.lanes:
            lambda_.CfnEventSourceMapping(
                self,
                f"{lane.name.title()}Source",
                function_name=self.function.function.function_arn,
                event_source_arn=lane.dead_letters.queue_arn,
                batch_size=BATCH,
                function_response_types=["ReportBatchItemFailures"],
            )
