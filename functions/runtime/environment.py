"""The environment variables of each function: one frozen class per function, built once per process.

A variable that the template does not set fails a test of tests/infra, not a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from functions.aws.queues import Lane

if TYPE_CHECKING:
    from functions.core.identity.rules import AuthRules
    from functions.core.webhooks.addresses import Reach

WORKER_MARGIN_SECONDS = 10
"""Part of a worker's time-out that it needs beside an attempt, to claim, settle and run consequences."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Of every function. `name`: of the deployment, `dev` or `prod`."""

    name: str
    table_name: str

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> Self:
        """Raises KeyError with the name of a missing variable, ValueError for a value that is not accepted."""
        return cls(**cls.read_fields(variables))

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return {"name": variables["ENVIRONMENT"], "table_name": variables["TABLE_NAME"]}


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
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return super().read_fields(variables) | {
            "lanes": {
                name: Lane(url=lane["url"], arn=lane["arn"], dead_letter_arn=lane["deadLetterArn"])
                for name, lane in json.loads(variables["LANES"]).items()
            },
            "timer_group": variables["TIMER_GROUP"],
            "timer_role_arn": variables["TIMER_ROLE_ARN"],
            "worker_timeout_seconds": int(variables["WORKER_TIMEOUT_SECONDS"]),
            "listing_shards": int(variables["LISTING_SHARDS"]),
            "retention_days": int(variables["RETENTION_DAYS"]),
            "notify_machine_arn": variables["NOTIFY_MACHINE_ARN"],
        }


@dataclass(frozen=True, kw_only=True)
class IntakeEnvironment(TaskEnvironment):
    """Of the functions that take requests or firings of schedules. `firing_arn`: of the function that EventBridge
    Scheduler invokes for each firing."""

    document_bucket: str
    auth: AuthRules
    webhook_reach: Reach
    schedule_group: str
    schedule_role_arn: str
    firing_arn: str

    @property
    def timeout_limit(self) -> int:
        """Seconds: the most that a task may ask for as the time-out of an attempt."""
        return self.worker_timeout_seconds - WORKER_MARGIN_SECONDS

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        # Only functions that take requests have rules to import.
        from functions.core.identity.rules import parse_auth_rules

        return super().read_fields(variables) | {
            "document_bucket": variables["DOCUMENT_BUCKET"],
            "auth": parse_auth_rules(variables["AUTH"]),
            "webhook_reach": webhook_reach(variables),
            "schedule_group": variables["SCHEDULE_GROUP"],
            "schedule_role_arn": variables["SCHEDULE_ROLE_ARN"],
            "firing_arn": variables["FIRING_ARN"],
        }


@dataclass(frozen=True, kw_only=True)
class ApiEnvironment(IntakeEnvironment):
    run_machine_arn: str

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return super().read_fields(variables) | {"run_machine_arn": variables["RUN_MACHINE_ARN"]}


@dataclass(frozen=True, kw_only=True)
class ProducerEnvironment(IntakeEnvironment):
    pass


@dataclass(frozen=True, kw_only=True)
class WorkerEnvironment(TaskEnvironment):
    """`webhook_secrets`: the path of the deployment's secrets, such as `taskyard/dev/webhooks`."""

    document_bucket: str
    lane: str
    mail_from: str
    mail_senders: frozenset[str]
    webhook_reach: Reach
    webhook_secrets: str

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return super().read_fields(variables) | {
            "document_bucket": variables["DOCUMENT_BUCKET"],
            "lane": variables["LANE"],
            "mail_from": variables["MAIL_FROM"],
            "mail_senders": frozenset(variables["MAIL_SENDERS"].split(",")),
            "webhook_reach": webhook_reach(variables),
            "webhook_secrets": variables["WEBHOOK_SECRETS"],
        }


@dataclass(frozen=True, kw_only=True)
class DeadLetterEnvironment(TaskEnvironment):
    pass


@dataclass(frozen=True, kw_only=True)
class ObserverEnvironment(Environment):
    document_bucket: str

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return super().read_fields(variables) | {"document_bucket": variables["DOCUMENT_BUCKET"]}


@dataclass(frozen=True, kw_only=True)
class WorkflowEnvironment(TaskEnvironment):
    document_bucket: str

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return super().read_fields(variables) | {"document_bucket": variables["DOCUMENT_BUCKET"]}


@dataclass(frozen=True, kw_only=True)
class NotifierEnvironment(Environment):
    """`webhook_secrets`: as in WorkerEnvironment."""

    listing_shards: int
    mail_from: str
    webhook_reach: Reach
    webhook_secrets: str

    @classmethod
    def read_fields(cls, variables: Mapping[str, str]) -> dict[str, Any]:
        return super().read_fields(variables) | {
            "listing_shards": int(variables["LISTING_SHARDS"]),
            "mail_from": variables["MAIL_FROM"],
            "webhook_reach": webhook_reach(variables),
            "webhook_secrets": variables["WEBHOOK_SECRETS"],
        }


def webhook_reach(variables: Mapping[str, str]) -> Reach:
    match variables["WEBHOOK_REACH"]:
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
"""Handler string in the template → environment of that function."""
