"""Notifications: the state machine that retries for a day, the function of each attempt, the default signing secret.

Reasons and costs: docs/adr/0009.
"""

from __future__ import annotations

import string
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from ..acknowledgements import acknowledge
from .function import Function
from .shared_resources import SharedResources
from .state_machine import state_machine
from .worker import allow_mail

# 5 + 10 + … + 2,560 s, then once an hour: 33 retries end after 24 h 25 min. The function gives up after 24 h; the
# machine's limit applies when the function cannot. No jitter: it would shorten the sum.
_RETRY_FOR_A_DAY: dict[str, Any] = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 5,
    "BackoffRate": 2,
    "MaxDelaySeconds": 3600,
    "MaxAttempts": 33,
}
_NO_RETRY_WHEN_ASKED_TO_WAIT: dict[str, Any] = {"ErrorEquals": ["AskedToWaitError"], "MaxAttempts": 0}
_RETRY_GIVE_UP: dict[str, Any] = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxDelaySeconds": 3600,
    "MaxAttempts": 20,
}
_SECRET_LENGTH = 64  # characters; read as base64 they are 48 bytes, of the 24 to 64 that Standard Webhooks asks for


class Notifier(Construct):
    """Notification machine → notifier function → a webhook or SES."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources) -> None:
        super().__init__(scope, id)
        config, storage = shared.config, shared.storage
        stack = cdk.Stack.of(self)
        if config.iam and config.iam.tenant_from == "account":
            # The only tenant known at deployment. Other secrets are created by hand: docs/notifications.md.
            self._default_secret(f"{config.secrets_path}/{stack.account}/default")
        self.function = Function(
            self,
            "Handler",
            package=shared.package,
            service="notifier",
            # Twice the time-out of one attempt.
            timeout_seconds=30,
            memory=256,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "LISTING_SHARDS": str(config.listing_shards),
                "MAIL_FROM": config.mail_from or "",
                **shared.webhook_environment(),
            },
            statements=[
                storage.allow_records("GetItem", "UpdateItem"),
                shared.allow_webhook_secrets(),
                *allow_mail(self, senders=config.senders[:1] if config.mail_from else ()),
            ],
        )
        self.machine = state_machine(
            self,
            name=shared.machines.notify_name,
            description=f"Taskyard {config.environment}: the notification machine",
            function=self.function,
            definition=definition(self.function.arn, partition=stack.partition),
        )

    def _default_secret(self, name: str) -> None:
        secret = secretsmanager.CfnSecret(
            self,
            "DefaultSecret",
            name=name,
            description="Signs Taskyard's webhooks (Standard Webhooks). Receivers verify with whsec_ and this.",
            generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
                password_length=_SECRET_LENGTH, exclude_characters=string.punctuation, include_space=False
            ),
        )
        acknowledge(
            secret,
            {
                "AwsSolutions-SMG4": "Receivers hold it too: it is rotated by hand, with them; "
                "the version before goes on signing. docs/notifications.md"
            },
        )


def definition(function_arn: str, *, partition: str) -> dict[str, Any]:
    """The machine in the Amazon States Language. Input: {notification}. Delivery at once enters one state."""
    invoke = f"arn:{partition}:states:::lambda:invoke"

    def step(name: str, **more: str) -> dict[str, Any]:
        return {
            "FunctionName": function_arn,
            "Payload": {"step": name, "notification.$": "$.notification", **more},
        }

    return {
        "Comment": "One notification to one target, tried for 24 hours.",
        "StartAt": "Deliver",
        "States": {
            "Deliver": {
                "Type": "Task",
                "Resource": invoke,
                "Parameters": step("deliver", **{"startedAt.$": "$$.Execution.StartTime"}),
                "OutputPath": "$.Payload",
                "Retry": [_NO_RETRY_WHEN_ASKED_TO_WAIT, _RETRY_FOR_A_DAY],
                "Catch": [
                    {"ErrorEquals": ["AskedToWaitError"], "ResultPath": "$.error", "Next": "ReadTime"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "GiveUp"},
                ],
                "End": True,
            },
            "ReadTime": {
                "Type": "Pass",
                "Parameters": {"cause.$": "States.StringToJson($.error.Cause)"},
                "ResultPath": "$.asked",
                "Next": "WaitAsAsked",
            },
            "WaitAsAsked": {"Type": "Wait", "TimestampPath": "$.asked.cause.errorMessage", "Next": "Deliver"},
            "GiveUp": {
                "Type": "Task",
                "Resource": invoke,
                "Parameters": step("give-up", **{"error.$": "$.error.Error"}),
                "OutputPath": "$.Payload",
                "Retry": [_RETRY_GIVE_UP],
                "End": True,
            },
        },
    }
