"""The workers: one function per lane, so that a lane's concurrency, errors and permissions are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..build.pools import DEFAULT_POOL
from ..resources.lanes import Lane, allow_consume
from .function import Function, FunctionRole, FunctionSettings
from .shared_resources import SharedResources

BATCH_SIZE = 10


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What the workers of a pool have in common. `variables`: for its handlers."""

    pool: str
    timeout_seconds: int
    memory: int
    variables: Mapping[str, str] = field(default_factory=dict)


class Worker(Construct):
    """Lane queue → worker function, in batches; each message is deleted on its own.

    `batch_size`: messages, so tasks, of an invocation. `role`: of the pool; None: one of its own.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        shared: SharedResources,
        lane: Lane,
        settings: WorkerSettings,
        batch_size: int = BATCH_SIZE,
        role: FunctionRole | None = None,
        function_settings: FunctionSettings | None = None,
    ) -> None:
        super().__init__(scope, id)
        config = shared.config
        self.lane = lane
        self.timeout_seconds = settings.timeout_seconds
        self.function = Function(
            self,
            "Handler",
            package=shared.package,
            service="worker",
            pool=settings.pool,
            role=role,
            settings=function_settings,
            own_variables=settings.variables,
            timeout_seconds=settings.timeout_seconds,
            memory=settings.memory,
            # A worker sends wake-ups of retried tasks to its own queue. The limit of attempts bounds the recursion.
            recursive=True,
            environment={
                **shared.task_environment(),
                "WORKER_TIMEOUT_SECONDS": str(settings.timeout_seconds),
                "DOCUMENT_BUCKET": shared.storage.documents.bucket_name,
                "HANDLER_SECRETS": config.handler_secrets,
                "LANE": lane.name,
                "MAIL_FROM": config.mail_from or "",
                "MAIL_SENDERS": ",".join(config.senders),
                **shared.webhook_environment(),
            },
            # A role of several workers has them already.
            statements=[] if role else worker_statements(self, shared=shared, lanes=(lane,)),
        )
        self.function.add_queue_source(
            lane.queue,
            scope=self,
            id="Source",
            batch_size=batch_size,
            # One invocation at once is no limit of an event source: the function itself has it.
            max_concurrency=lane.config.max_concurrency if lane.config.max_concurrency > 1 else None,
        )


def worker_statements(scope: Construct, *, shared: SharedResources, lanes: Sequence[Lane]) -> list[iam.PolicyStatement]:
    """What the workers of these lanes may do."""
    storage = shared.storage
    return [
        storage.allow_records("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "Query"),
        storage.allow_documents("GetObject", "PutObject"),
        allow_consume(*lanes),
        *shared.allow_consequences(),
        shared.allow_webhook_secrets(),
        shared.allow_handler_secrets(),
        *allow_mail(scope, senders=shared.config.senders),
    ]


class Workers(Construct):
    """A worker for each lane of the default pool."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        settings = WorkerSettings(
            pool=DEFAULT_POOL,
            timeout_seconds=shared.config.worker_timeout_seconds,
            memory=shared.config.worker_memory,
        )
        self.workers = tuple(
            Worker(self, lane.name.title(), shared=shared, lane=lane, settings=settings) for lane in shared.lanes.lanes
        )


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
