"""Settings → the parts, put together once per process. Nothing here decides anything."""

from __future__ import annotations

import time
from functools import cache, partial
from typing import TYPE_CHECKING

from functions.aws.clients import client
from functions.aws.executions import Executions
from functions.aws.mail import Mail
from functions.aws.queues import Queues
from functions.aws.secrets import WebhookSecrets
from functions.aws.timers import Timers
from functions.http.client import Client
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.environment import Settings, TaskSettings
from functions.runtime.notifications import Notifications
from functions.runtime.runs import Runs
from functions.store.documents import Documents
from functions.store.effects import Effects
from functions.store.runs import RunStore
from functions.store.table import Table
from functions.store.tasks import TaskStore

if TYPE_CHECKING:
    from functions.core.task_types import Registry
    from functions.core.webhooks.addresses import Reach

API_TIMEOUT_SECONDS = 30
"""API Gateway's own limit: no request writes longer than this."""


def clock() -> int:
    """Epoch ms. The one place where time is read."""
    return time.time_ns() // 1_000_000


@cache
def registry() -> Registry:
    """Found on first use, not at import: a function that runs no handler pays for none."""
    import functions.tasks
    from functions.core.task_types import discover

    return discover(functions.tasks)


def table(settings: Settings) -> Table:
    return Table(client("dynamodb"), settings.table_name)


def task_store(settings: TaskSettings) -> TaskStore:
    return TaskStore(
        table=table(settings), shards=settings.listing_shards, retention_seconds=settings.retention_days * 86_400
    )


def documents(settings: Settings, bucket: str) -> Documents:
    return Documents(table(settings), bucket, partial(client, "s3"))


def effects(settings: Settings, bucket: str) -> Effects:
    return Effects(table(settings), documents(settings, bucket))


def queues(settings: TaskSettings) -> Queues:
    return Queues(client("sqs"), settings.lanes)


def dispatcher(settings: TaskSettings) -> Dispatcher:
    timers = Timers(partial(client, "scheduler"), settings.timer_group, settings.timer_role_arn)
    return Dispatcher(queues(settings), timers)


def executions() -> Executions:
    return Executions(partial(client, "stepfunctions"))


def run_store(settings: TaskSettings) -> RunStore:
    return RunStore(
        table=table(settings), shards=settings.listing_shards, retention_seconds=settings.retention_days * 86_400
    )


def runs(settings: TaskSettings) -> Runs:
    return Runs(
        tasks=task_store(settings),
        runs=run_store(settings),
        dispatcher=dispatcher(settings),
        executions=executions(),
        clock=clock,
    )


def consequences(settings: TaskSettings) -> Consequences:
    return Consequences(task_store(settings), dispatcher(settings), clock, runs(settings), notifications(settings))


def notifications(settings: TaskSettings) -> Notifications:
    return Notifications(executions(), settings.notify_machine_arn)


def mail(sender: str, senders: frozenset[str] = frozenset()) -> Mail:
    return Mail(partial(client, "ses", attempts=1), sender, senders)


def http_client(reach: Reach) -> Client:
    return Client(reach)


def webhook_secrets(path: str) -> WebhookSecrets:
    return WebhookSecrets(partial(client, "secretsmanager"), path, clock)


def writer_ms(settings: TaskSettings) -> int:
    """The longest that anybody who sends a wake-up may take until its record is written."""
    return max(settings.worker_timeout_seconds, API_TIMEOUT_SECONDS) * 1000
