"""Encryption at rest: a customer key for all that holds data, or the keys of the services.

A role that uses what the key encrypts needs the key too. `allow_key` derives that from the role's other statements, so
none is forgotten (docs/adr/0022).
"""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .config import Config
from .names import mark_owner

DATA_KEY_REUSE = cdk.Duration.hours(24)
"""How long SQS uses a data key before it asks KMS for another: the longest that it allows, and the cheapest."""
_READ = frozenset({"kms:Decrypt"})
_WRITE = frozenset({"kms:GenerateDataKey"})
# DynamoDB calls KMS in the caller's name, with one of these; its documentation asks for all of them.
_TABLE = frozenset(
    f"kms:{action}"
    for action in (
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    )
)
# What a role needs of the key, by the action that it may do. Other actions touch nothing that is encrypted.
_KEY_ACTIONS = {
    "dynamodb:BatchGetItem": _TABLE,
    "dynamodb:DeleteItem": _TABLE,
    "dynamodb:GetItem": _TABLE,
    "dynamodb:GetRecords": _TABLE,
    "dynamodb:PutItem": _TABLE,
    "dynamodb:Query": _TABLE,
    "dynamodb:UpdateItem": _TABLE,
    "s3:GetObject": _READ,
    "s3:PutObject": _WRITE,
    "sqs:ReceiveMessage": _READ,
    # SQS decrypts the data key again while it may be reused.
    "sqs:SendMessage": _WRITE | _READ,
}


class Encryption(Construct):
    """`key`: None where each service encrypts with a key of its own, which is free."""

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        self.key: kms.IKey | None = config.encryption_key
        if self.key is None and config.customer_key:
            self.key = self._own_key(config)
        if self.key is not None:
            self._allow_logs(self.key)

    def _own_key(self, config: Config) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description=f"Taskyard {config.environment}: table, documents, queues, logs and alarms",
            alias=f"alias/{config.name}",
            enable_key_rotation=True,
            # Without its key, a table that outlives the stack cannot be read.
            removal_policy=cdk.RemovalPolicy.RETAIN if config.keep_data else cdk.RemovalPolicy.DESTROY,
        )
        mark_owner(key, config.name)
        return key

    def _allow_logs(self, key: kms.IKey) -> None:
        """CloudWatch Logs has no role: it uses the key in its own name. An imported key has a policy of its own."""
        stack = cdk.Stack.of(self)
        groups = stack.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Logs",
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )

    def allow_key(self, statements: Sequence[iam.PolicyStatement]) -> list[iam.PolicyStatement]:
        """What a role with these statements needs of the key: one statement for each service, usable through it only.
        Empty without a key."""
        if self.key is None:
            return []
        needed: dict[str, set[str]] = {}
        for action in (action for statement in statements for action in statement.actions):
            if action in _KEY_ACTIONS:
                needed.setdefault(action.partition(":")[0], set()).update(_KEY_ACTIONS[action])
        region = cdk.Stack.of(self).region
        return [
            iam.PolicyStatement(
                sid=f"Key{service.title()}",
                actions=sorted(actions),
                resources=[self.key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}},
            )
            for service, actions in sorted(needed.items())
        ]

    def queue(
        self,
        scope: Construct,
        id: str,
        *,
        name: str | None = None,
        retention: cdk.Duration,
        visibility: cdk.Duration | None = None,
        dead_letters: sqs.DeadLetterQueue | None = None,
    ) -> sqs.Queue:
        """A queue that is encrypted, and refuses plain HTTP."""
        return sqs.Queue(
            scope,
            id,
            queue_name=name,
            retention_period=retention,
            visibility_timeout=visibility,
            dead_letter_queue=dead_letters,
            encryption=sqs.QueueEncryption.KMS if self.key else sqs.QueueEncryption.SQS_MANAGED,
            encryption_master_key=self.key,
            data_key_reuse=DATA_KEY_REUSE if self.key else None,
            enforce_ssl=True,
        )
