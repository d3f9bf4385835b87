"""What each function reads from its environment: one frozen class a function, built once per process.

A variable that the template does not set shows in tests/infra, not after a deploy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from functions.aws.queues import Lane
from functions.core.webhooks.addresses import Reach

WORKER_MARGIN_SECONDS = 10
"""Of a worker's time-out: what it needs around an attempt, to claim, settle and release."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What every function has."""

    name: str
    table_name: str

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Raises KeyError naming the variable that is missing, ValueError for one that cannot be read."""
        return cls(**cls.read(env))

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return {"name": env["ENVIRONMENT"], "table_name": env["TABLE_NAME"]}


@dataclass(frozen=True, kw_only=True)
class TaskEnvironment(Environment):
    """Of the functions that write tasks and send wake-ups."""

    lanes: dict[str, Lane]
    timer_group: str
    timer_role_arn: str
    worker_timeout_seconds: int
    listing_shards: int
    retention_days: int
    notify_machine_arn: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return super().read(env) | {
            "lanes": {
                name: Lane(url=lane["url"], arn=lane["arn"], dead_letter_arn=lane["deadLetterArn"])
                for name, lane in json.loads(env["LANES"]).items()
            },
            "timer_group": env["TIMER_GROUP"],
            "timer_role_arn": env["TIMER_ROLE_ARN"],
            "worker_timeout_seconds": int(env["WORKER_TIMEOUT_SECONDS"]),
            "listing_shards": int(env["LISTING_SHARDS"]),
            "retention_days": int(env["RETENTION_DAYS"]),
            "notify_machine_arn": env["NOTIFY_MACHINE_ARN"],
        }


@dataclass(frozen=True, kw_only=True)
class IntakeEnvironment(TaskEnvironment):
    """Of the functions that take requests, and submit what schedules ask for. `firing_arn`: of the function that
    EventBridge Scheduler fires schedules by."""

    document_bucket: str
    tenant_from: str
    webhook_reach: Reach
    schedule_group: str
    schedule_role_arn: str
    firing_arn: str

    @property
    def timeout_limit(self) -> int:
        """Seconds that a task may ask for per attempt."""
        return self.worker_timeout_seconds - WORKER_MARGIN_SECONDS

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        if env["TENANT_FROM"] not in ("account", "principal"):
            raise ValueError(f"TENANT_FROM is 'account' or 'principal', not {env['TENANT_FROM']!r}")
        return super().read(env) | {
            "document_bucket": env["DOCUMENT_BUCKET"],
            "tenant_from": env["TENANT_FROM"],
            "webhook_reach": reach(env),
            "schedule_group": env["SCHEDULE_GROUP"],
            "schedule_role_arn": env["SCHEDULE_ROLE_ARN"],
            "firing_arn": env["FIRING_ARN"],
        }


@dataclass(frozen=True, kw_only=True)
class ApiEnvironment(IntakeEnvironment):
    run_machine_arn: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return super().read(env) | {"run_machine_arn": env["RUN_MACHINE_ARN"]}


@dataclass(frozen=True, kw_only=True)
class ProducerEnvironment(IntakeEnvironment):
    pass


@dataclass(frozen=True, kw_only=True)
class WorkerEnvironment(TaskEnvironment):
    """`webhook_secrets`: the path of this deployment's secrets, `taskyard/dev/webhooks`."""

    document_bucket: str
    lane: str
    mail_from: str
    mail_senders: frozenset[str]
    webhook_reach: Reach
    webhook_secrets: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return super().read(env) | {
            "document_bucket": env["DOCUMENT_BUCKET"],
            "lane": env["LANE"],
            "mail_from": env["MAIL_FROM"],
            "mail_senders": frozenset(env["MAIL_SENDERS"].split(",")),
            "webhook_reach": reach(env),
            "webhook_secrets": env["WEBHOOK_SECRETS"],
        }


@dataclass(frozen=True, kw_only=True)
class DeadLetterEnvironment(TaskEnvironment):
    pass


@dataclass(frozen=True, kw_only=True)
class ObserverEnvironment(Environment):
    document_bucket: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return super().read(env) | {"document_bucket": env["DOCUMENT_BUCKET"]}


@dataclass(frozen=True, kw_only=True)
class WorkflowEnvironment(TaskEnvironment):
    document_bucket: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return super().read(env) | {"document_bucket": env["DOCUMENT_BUCKET"]}


@dataclass(frozen=True, kw_only=True)
class NotifierEnvironment(Environment):
    """`webhook_secrets`: as the workers'."""

    listing_shards: int
    mail_from: str
    webhook_reach: Reach
    webhook_secrets: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> dict[str, Any]:
        return super().read(env) | {
            "listing_shards": int(env["LISTING_SHARDS"]),
            "mail_from": env["MAIL_FROM"],
            "webhook_reach": reach(env),
            "webhook_secrets": env["WEBHOOK_SECRETS"],
        }


def reach(env: Mapping[str, str]) -> Reach:
    match env["WEBHOOK_REACH"]:
        case "public":
            return "public"
        case "any":
            return "any"
        case "local":
            return "local"
        case other:
            raise ValueError(f"WEBHOOK_REACH is 'public', 'any' or 'local', not {other!r}")


ENVIRONMENT_CLASSES: dict[str, type[Environment]] = {
    "functions.api.handler.handler": ApiEnvironment,
    "functions.producer.handler.handler": ProducerEnvironment,
    "functions.worker.handler.handler": WorkerEnvironment,
    "functions.dead_letter.handler.handler": DeadLetterEnvironment,
    "functions.observer.handler.handler": ObserverEnvironment,
    "functions.workflow.handler.handler": WorkflowEnvironment,
    "functions.notifier.handler.handler": NotifierEnvironment,
}
"""Handler string of the template → what that function reads."""
