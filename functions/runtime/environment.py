"""The environment variables of each function: one class per function, built once per process.

A variable that the template does not set fails a test of tests/infra, not a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from functions.aws.queues import Lane

if TYPE_CHECKING:
    from functions.core.webhooks.addresses import Reach

WORKER_MARGIN_SECONDS = 10
"""Part of a worker's time-out that it needs beside an attempt, to claim, settle and run consequences."""


class Environment:
    """Of every function. `name`: of the deployment, `dev` or `prod`.

    Raises KeyError with the name of a missing variable, ValueError for a value that is not accepted. These are plain
    classes because every function creates all of them at its start, and creating a dataclass takes a hundred times as
    long.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.name: Final = variables["ENVIRONMENT"]
        self.table_name: Final = variables["TABLE_NAME"]


class TaskEnvironment(Environment):
    """Of the functions that write tasks and send wake-ups."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.lanes: Final = parse_lanes(variables["LANES"])
        self.timer_group: Final = variables["TIMER_GROUP"]
        self.timer_role_arn: Final = variables["TIMER_ROLE_ARN"]
        self.worker_timeout_seconds: Final = int(variables["WORKER_TIMEOUT_SECONDS"])
        self.listing_shards: Final = int(variables["LISTING_SHARDS"])
        self.retention_days: Final = int(variables["RETENTION_DAYS"])
        self.notify_machine_arn: Final = variables["NOTIFY_MACHINE_ARN"]


class IntakeEnvironment(TaskEnvironment):
    """Of the functions that take requests or firings of schedules. `firing_arn`: of the function that EventBridge
    Scheduler invokes for each firing. `quotas`: JSON, which functions/core/quotas.py parses; None: no tenant has
    quotas."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        # Only functions that take requests have rules to import.
        from functions.core.identity.rules import parse_auth_rules

        self.document_bucket: Final = variables["DOCUMENT_BUCKET"]
        self.auth: Final = parse_auth_rules(variables["AUTH"])
        self.webhook_reach: Final = webhook_reach(variables)
        self.schedule_group: Final = variables["SCHEDULE_GROUP"]
        self.schedule_role_arn: Final = variables["SCHEDULE_ROLE_ARN"]
        self.firing_arn: Final = variables["FIRING_ARN"]
        self.run_machine_arn: Final = variables["RUN_MACHINE_ARN"]
        self.quotas: Final = variables.get("QUOTAS")

    @property
    def timeout_limit(self) -> int:
        """Seconds: the most that a task may ask for as the time-out of an attempt."""
        return self.worker_timeout_seconds - WORKER_MARGIN_SECONDS


class ApiEnvironment(IntakeEnvironment):
    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.audit_retention_days: Final = int(variables["AUDIT_RETENTION_DAYS"])


class ProducerEnvironment(IntakeEnvironment):
    pass


class ScheduleProviderEnvironment(IntakeEnvironment):
    pass


class WorkerEnvironment(TaskEnvironment):
    """`webhook_secrets`, `handler_secrets`: paths of the deployment's secrets, such as `taskyard/dev/webhooks`."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.document_bucket: Final = variables["DOCUMENT_BUCKET"]
        self.handler_secrets: Final = variables["HANDLER_SECRETS"]
        self.lane: Final = variables["LANE"]
        self.mail_from: Final = variables["MAIL_FROM"]
        self.mail_senders: Final = frozenset(variables["MAIL_SENDERS"].split(","))
        self.webhook_reach: Final = webhook_reach(variables)
        self.webhook_secrets: Final = variables["WEBHOOK_SECRETS"]


class DeadLetterEnvironment(TaskEnvironment):
    pass


class ObserverEnvironment(Environment):
    """`quotas`: as in IntakeEnvironment."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.document_bucket: Final = variables["DOCUMENT_BUCKET"]
        self.quotas: Final = variables.get("QUOTAS")


class WorkflowEnvironment(TaskEnvironment):
    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.document_bucket: Final = variables["DOCUMENT_BUCKET"]


class NotifierEnvironment(Environment):
    """`webhook_secrets`: as in WorkerEnvironment."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.listing_shards: Final = int(variables["LISTING_SHARDS"])
        self.mail_from: Final = variables["MAIL_FROM"]
        self.webhook_reach: Final = webhook_reach(variables)
        self.webhook_secrets: Final = variables["WEBHOOK_SECRETS"]


def parse_lanes(text: str) -> dict[str, Lane]:
    """`text`: of LANES. It holds each queue as its name only: so twelve pools fit the 4 KB of a function's
    variables."""
    document = json.loads(text)
    url, arn = document["url"], document["arn"]
    return {
        lane: Lane(url=url + queue, arn=arn + queue, dead_letter_arn=arn + dead_letter_queue)
        for lane, (queue, dead_letter_queue) in document["queues"].items()
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
    "functions.schedule_provider.handler.handler": ScheduleProviderEnvironment,
    "functions.worker.handler.handler": WorkerEnvironment,
    "functions.dead_letter.handler.handler": DeadLetterEnvironment,
    "functions.observer.handler.handler": ObserverEnvironment,
    "functions.workflow.handler.handler": WorkflowEnvironment,
    "functions.notifier.handler.handler": NotifierEnvironment,
}
"""Handler string in the template → environment of that function."""
