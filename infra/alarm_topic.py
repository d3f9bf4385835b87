"""The topic that alarms go to, where the app has none of its own."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct


def alarm_topic(scope: Construct, *, email: str | None, shared_key: kms.IKey | None) -> sns.Topic:
    """Encrypted with the environment's key, or one of its own: CloudWatch may not use the one that AWS manages for SNS
    (docs/adr/0012)."""
    alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com")
    key = shared_key or kms.Key(
        scope,
        "Key",
        description="Alarms of Taskyard",
        enable_key_rotation=True,
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )
    here = {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(scope).account}}
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Alarms",
            principals=[alarms],
            actions=["kms:Decrypt", "kms:GenerateDataKey*"],
            resources=["*"],
            conditions=here,
        )
    )
    topic = sns.Topic(scope, "Alarms", master_key=key, enforce_ssl=True)
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Alarms",
            principals=[alarms],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions=here,
        )
    )
    if email:
        sns.Subscription(scope, "Mail", topic=topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=email)
    return topic
