"""What timers and recurring schedules share: the role that fires a group's schedules, and the statements that let a
function create them."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct


def scheduler_role(
    scope: Construct,
    group: scheduler.CfnScheduleGroup,
    *,
    description: str,
    policy: str,
    statements: Sequence[iam.PolicyStatement],
) -> iam.Role:
    """A role that EventBridge Scheduler may assume for this group only. `statements`: what its schedules may call."""
    account = cdk.Stack.of(scope).account
    return iam.Role(
        scope,
        "Role",
        description=description,
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": account, "aws:SourceArn": group.attr_arn}},
        ),
        inline_policies={policy: iam.PolicyDocument(statements=list(statements))},
    )


def allow_schedules(
    group: scheduler.CfnScheduleGroup, role: iam.Role, *, sid: str, role_sid: str, actions: tuple[str, ...]
) -> list[iam.PolicyStatement]:
    """Actions (`CreateSchedule`) on the group's schedules. Creating one also passes the role to Scheduler."""
    schedules = cdk.Stack.of(group).format_arn(service="scheduler", resource="schedule", resource_name=f"{group.ref}/*")
    return [
        iam.PolicyStatement(sid=sid, actions=[f"scheduler:{action}" for action in actions], resources=[schedules]),
        iam.PolicyStatement(
            sid=role_sid,
            actions=["iam:PassRole"],
            resources=[role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        ),
    ]
