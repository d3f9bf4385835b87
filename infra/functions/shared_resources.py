"""The resources that functions share, and the variables and statements that several functions need."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from ..auth import auth_rules
from ..config import Config
from ..identity import Identity
from ..quotas import quotas_json
from ..resources.lanes import Lanes
from ..resources.schedules import Schedules
from ..resources.state_machines import StateMachines
from ..resources.storage import Storage
from ..resources.timers import Timers
from .function import DeploymentPackage


def quotas_environment(config: Config) -> dict[str, str]:
    """Of functions that check quotas, or count for them. Nothing where the configuration has none."""
    return {} if config.quotas is None else {"QUOTAS": quotas_json(config.quotas)}


@dataclass(frozen=True, kw_only=True)
class SharedResources:
    """All that is created before the functions."""

    config: Config
    package: DeploymentPackage
    storage: Storage
    lanes: Lanes
    timers: Timers
    machines: StateMachines
    schedules: Schedules
    # None where no user pool issues the tokens.
    identity: Identity | None

    def task_environment(self) -> dict[str, str]:
        """Variables of functions that write tasks and send wake-ups (TaskEnvironment)."""
        return {
            "TABLE_NAME": self.storage.table.table_name,
            "LANES": self.lanes.as_json(),
            "TIMER_GROUP": self.timers.group.ref,
            "TIMER_ROLE_ARN": self.timers.role.role_arn,
            "WORKER_TIMEOUT_SECONDS": str(self.config.worker_timeout_seconds),
            "LISTING_SHARDS": str(self.config.listing_shards),
            "RETENTION_DAYS": str(self.config.retention_days),
            "NOTIFY_MACHINE_ARN": self.machines.notify_arn,
        }

    def intake_environment(self) -> dict[str, str]:
        """Variables of functions that also take requests (IntakeEnvironment)."""
        return {
            **self.task_environment(),
            "DOCUMENT_BUCKET": self.storage.documents.bucket_name,
            "RUN_MACHINE_ARN": self.machines.run_arn,
            "AUTH": self._auth_as_json(),
            "WEBHOOK_REACH": self.config.webhook_reach,
            # Read by the model of SEND_EMAIL, which refuses other senders at submit.
            "MAIL_SENDERS": ",".join(self.config.senders),
            **self.schedules.environment(),
            **quotas_environment(self.config),
        }

    def _auth_as_json(self) -> str:
        """The variable AUTH; the ids of clients of a user pool are resolved at deployment."""
        ids = self.identity.client_ids if self.identity else {}
        return cdk.Stack.of(self.package).to_json_string(auth_rules(self.config.auth, cognito_clients=ids))

    def webhook_environment(self) -> dict[str, str]:
        """Variables of functions that call webhooks and sign what they send."""
        return {
            "WEBHOOK_REACH": self.config.webhook_reach,
            "WEBHOOK_SECRETS": self.config.secrets_path,
        }

    def allow_webhook_secrets(self) -> iam.PolicyStatement:
        """Read the signing secrets of webhooks, of every tenant."""
        return self._allow_secrets("WebhookSecrets", self.config.secrets_path)

    def allow_handler_secrets(self) -> iam.PolicyStatement:
        """Read the secrets of handlers (`ctx.secret`), of every tenant."""
        return self._allow_secrets("HandlerSecrets", self.config.handler_secrets)

    def _allow_secrets(self, sid: str, path: str) -> iam.PolicyStatement:
        resource = cdk.Stack.of(self.package).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{path}/*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return iam.PolicyStatement(sid=sid, actions=["secretsmanager:GetSecretValue"], resources=[resource])

    def allow_consequences(self) -> list[iam.PolicyStatement]:
        """Run the consequences of a task's end: wake dependents, answer its workflow's run, start notifications."""
        return [
            self.lanes.allow_send(),
            *self.timers.allow("CreateSchedule"),
            self.machines.allow_answer(),
            self.machines.allow_start_notifications(),
        ]
