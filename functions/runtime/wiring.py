"""Builds the services of an entry point from its environment. Nothing here decides anything."""

from __future__ import annotations

import os
import time
from functools import cache, partial
from typing import TYPE_CHECKING

from functions.aws.clients import client
from functions.aws.executions import Executions
from functions.aws.queues import Queues
from functions.aws.timers import Timers
from functions.core.pools import Routing
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.environment import Environment, TaskEnvironment
from functions.runtime.notifications import NotificationStarter
from functions.runtime.run_consequences import RunConsequences
from functions.store.documents import Documents
from functions.store.effects import Effects
from functions.store.runs import RunStore
from functions.store.table import Table
from functions.store.tasks import TaskStore

if TYPE_CHECKING:
    # Most functions neither send mail nor call a webhook: who does imports these when it builds its services.
    from functions.aws.mail import SesMail
    from functions.aws.secrets import HandlerSecrets, WebhookSecrets
    from functions.core.task_types import Registry
    from functions.core.webhooks.addresses import Reach
    from functions.http.client import Client

TASK_TYPES_FILE = os.path.join(__file__.rpartition(f"{os.sep}functions{os.sep}")[0], "task-types.json")
"""Beside `functions/` in the code asset."""
API_TIMEOUT_SECONDS = 30
"""The limit of API Gateway: no request writes for longer."""


def clock() -> int:
    """Epoch ms. The only place that reads the time."""
    return time.time_ns() // 1_000_000


class TaskTypesMissingError(RuntimeError):
    """The code asset has no task-types.json: it was not made by the build."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} is missing: the build writes it into the code asset (infra/build/code_assets.py)")


@cache
def registry() -> Registry:
    """Read on first use, not at import: most functions need no task types. Raises TaskTypesMissingError."""
    from functions.core.task_types import Registry

    try:
        with open(TASK_TYPES_FILE, encoding="utf-8") as file:
            return Registry.from_json(file.read())
    except FileNotFoundError:
        raise TaskTypesMissingError(TASK_TYPES_FILE) from None


def table(environment: Environment) -> Table:
    return Table(client("dynamodb"), environment.table_name)


def task_store(environment: TaskEnvironment) -> TaskStore:
    return TaskStore(
        table=table(environment),
        shards=environment.listing_shards,
        retention_seconds=environment.retention_days * 86_400,
    )


def documents(environment: Environment, bucket: str) -> Documents:
    return Documents(table(environment), bucket, partial(client, "s3"))


def effects(environment: Environment, bucket: str) -> Effects:
    return Effects(table(environment), documents(environment, bucket))


def queues(environment: TaskEnvironment) -> Queues:
    return Queues(client("sqs"), environment.lanes)


def routing(environment: TaskEnvironment) -> Routing:
    return Routing(environment.lanes, registry)


def dispatcher(environment: TaskEnvironment) -> Dispatcher:
    timers = Timers(partial(client, "scheduler"), environment.timer_group, environment.timer_role_arn)
    return Dispatcher(queues(environment), timers, routing(environment))


def executions() -> Executions:
    return Executions(partial(client, "stepfunctions"))


def run_store(environment: TaskEnvironment) -> RunStore:
    return RunStore(
        table=table(environment),
        shards=environment.listing_shards,
        retention_seconds=environment.retention_days * 86_400,
    )


def run_consequences(environment: TaskEnvironment) -> RunConsequences:
    return RunConsequences(
        tasks=task_store(environment),
        runs=run_store(environment),
        dispatcher=dispatcher(environment),
        executions=executions(),
        clock=clock,
    )


def consequences(environment: TaskEnvironment) -> Consequences:
    return Consequences(
        task_store(environment),
        dispatcher(environment),
        clock,
        run_consequences(environment),
        notification_starter(environment),
    )


def notification_starter(environment: TaskEnvironment) -> NotificationStarter:
    return NotificationStarter(executions(), environment.notify_machine_arn)


def mail(sender: str, senders: frozenset[str] = frozenset()) -> SesMail:
    from functions.aws.mail import SesMail

    return SesMail(partial(client, "ses", attempts=1), sender, senders)


def http_client(reach: Reach) -> Client:
    from functions.http.client import Client

    return Client(reach)


def webhook_secrets(path: str) -> WebhookSecrets:
    from functions.aws.secrets import WebhookSecrets

    return WebhookSecrets(partial(client, "secretsmanager"), path, clock)


def handler_secrets(path: str) -> HandlerSecrets:
    from functions.aws.secrets import HandlerSecrets

    return HandlerSecrets(partial(client, "secretsmanager"), path, clock)


def writer_ms(environment: TaskEnvironment) -> int:
    """The longest time between a wake-up and the record that it announces, whichever function writes them."""
    longest_worker = routing(environment).longest_timeout(environment.worker_timeout_seconds)
    return max(longest_worker, API_TIMEOUT_SECONDS) * 1000
