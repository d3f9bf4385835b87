"""The workers: one function per lane, so that a lane's concurrency, errors and permissions are its own."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..build.pools import DEFAULT_POOL
from ..resources.lanes import Lane, allow_consume
from .function import Function
from .shared_resources import SharedResources

BATCH_SIZE = 10


class Worker(Construct):
    """Lane queue → worker function, in batches; each message is deleted on its own."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources, lane: Lane) -> None:
        super().__init__(scope, id)
        config, storage = shared.config, shared.storage
        self.lane = lane
        self.function = Function(
            self,
            "Handler",
            package=shared.package,
            service="worker",
            pool=DEFAULT_POOL,
            timeout_seconds=config.worker_timeout_seconds,
            memory=config.worker_memory,
            # A worker sends wake-ups of retried tasks to its own queue. The limit of attempts bounds the recursion.
            recursive=True,
            environment={
                **shared.task_environment(),
                "DOCUMENT_BUCKET": storage.documents.bucket_name,
                "HANDLER_SECRETS": config.handler_secrets,
                "LANE": lane.name,
                "MAIL_FROM": config.mail_from or "",
                "MAIL_SENDERS": ",".join(config.senders),
                **shared.webhook_environment(),
            },
            statements=[
                storage.allow_records("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "Query"),
                storage.allow_documents("GetObject", "PutObject"),
                allow_consume(lane),
                *shared.allow_consequences(),
                shared.allow_webhook_secrets(),
                shared.allow_handler_secrets(),
                *allow_mail(self, senders=config.senders),
            ],
        )
        self.function.add_queue_source(
            lane.queue, scope=self, id="Source", batch_size=BATCH_SIZE, max_concurrency=lane.config.max_concurrency
        )


class Workers(Construct):
    """A worker for each lane."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        self.workers = tuple(Worker(self, lane.name.title(), shared=shared, lane=lane) for lane in shared.lanes.lanes)


def allow_mail(scope: Construct, *, senders: Sequence[str]) -> list[iam.PolicyStatement]:
    """Send mail from these addresses only. SES checks the sender's identity, in its sandbox the recipient's too, and
    the identity's default configuration set: any of this account's. Nothing without senders."""
    if not senders:
        return []
    stack = cdk.Stack.of(scope)
    resources = [
        stack.format_arn(service="ses", resource=resource, resource_name="*")
        for resource in ("identity", "configuration-set")
    ]
    return [
        iam.PolicyStatement(
            sid="Mail",
            actions=["ses:SendEmail"],
            resources=resources,
            conditions={"StringEquals": {"ses:FromAddress": list(senders)}},
        )
    ]
