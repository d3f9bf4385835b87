"""The observer: reads the table's stream and keeps the read models, the counts per state."""

from __future__ import annotations

import json

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..config import Config
from ..resources.lanes import failure_queue
from ..resources.storage import Storage
from .function import DeploymentPackage, Function
from .shared_resources import quotas_environment

RETRY_ATTEMPTS = 10
# A record that cannot be observed within an hour goes to the failure queue, so that the shard behind it moves on.
MAX_RECORD_AGE_SECONDS = 3600
# Changes of tasks, of runs, and of the marks of observed batches. Edges, effects and counters invoke nothing.
STREAM_FILTER = {"dynamodb": {"Keys": {"sk": {"S": ["TASK", "WORKFLOW", {"prefix": "BATCH#"}]}}}}
# A schedule whose workflow was in a document of its own, which a change or a delete leaves behind.
SCHEDULE_FILTER = {
    "dynamodb": {"Keys": {"sk": {"S": ["SCHEDULE"]}}, "OldImage": {"workflowRef": {"S": [{"exists": True}]}}}
}
# The longest window of Lambda. It aggregates nothing: only events of a tumbling window name the stream's shard.
TUMBLING_WINDOW_SECONDS = 900


class Observer(Construct):
    """Table stream → observer function. Records that it gives up → the failure queue."""

    def __init__(
        self, scope: Construct, id: str, *, config: Config, package: DeploymentPackage, storage: Storage
    ) -> None:
        super().__init__(scope, id)
        self.failures = failure_queue(self, "Failures", encryption=package.encryption)
        self.function = Function(
            self,
            "Handler",
            package=package,
            service="observer",
            timeout_seconds=30,
            memory=256,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "DOCUMENT_BUCKET": storage.documents.bucket_name,
                **quotas_environment(config),
            },
            statements=[
                *storage.allow_stream(),
                storage.allow_records("GetItem", "UpdateItem", "DeleteItem", "Query"),
                storage.allow_documents("DeleteObject"),
                iam.PolicyStatement(sid="Failures", actions=["sqs:SendMessage"], resources=[self.failures.queue_arn]),
            ],
        )
        source = lambda_.CfnEventSourceMapping
        source(
            self,
            "Source",
            function_name=self.function.function.function_arn,
            event_source_arn=storage.table.table_stream_arn,
            # LATEST would miss changes that are written while the mapping is created.
            starting_position="TRIM_HORIZON",
            batch_size=config.observer_batch,
            maximum_batching_window_in_seconds=config.observer_window_seconds,
            maximum_retry_attempts=RETRY_ATTEMPTS,
            maximum_record_age_in_seconds=MAX_RECORD_AGE_SECONDS,
            bisect_batch_on_function_error=True,
            tumbling_window_in_seconds=TUMBLING_WINDOW_SECONDS,
            function_response_types=["ReportBatchItemFailures"],
            filter_criteria=source.FilterCriteriaProperty(
                filters=[
                    source.FilterProperty(pattern=json.dumps(pattern)) for pattern in (STREAM_FILTER, SCHEDULE_FILTER)
                ]
            ),
            destination_config=source.DestinationConfigProperty(
                on_failure=source.OnFailureProperty(destination=self.failures.queue_arn)
            ),
        )
