"""Recurring schedules: the group that they are made in, and the role that EventBridge Scheduler fires them with."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.config import Config


class Schedules(Construct):
    """A group of their own: what ends a task's timer never meets them, and what they drop is counted apart.

    `producer_name`, `producer_arn`: of the function that they call, known before it is made. The name is fixed so that
    scripts find it, and so that schedules made years ago still do.
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self.producer_name = f"{config.stack_name}-producer"
        self.producer_arn = stack.format_arn(
            service="lambda",
            resource="function",
            resource_name=self.producer_name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.group = scheduler.CfnScheduleGroup(self, "Group")
        self.role = iam.Role(
            self,
            "Role",
            description="EventBridge Scheduler: fire a schedule",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": self.group.attr_arn}},
            ),
            inline_policies={
                "fire": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="Fire", actions=["lambda:InvokeFunction"], resources=[self.producer_arn]
                        )
                    ]
                )
            },
        )

    def environment(self) -> dict[str, str]:
        """Of the functions that make schedules."""
        return {
            "SCHEDULE_GROUP": self.group.ref,
            "SCHEDULE_ROLE_ARN": self.role.role_arn,
            "PRODUCER_ARN": self.producer_arn,
        }

    def manage(self) -> list[iam.PolicyStatement]:
        """Make, change and delete schedules; whoever makes one hands the role on to Scheduler."""
        actions = ("CreateSchedule", "UpdateSchedule", "DeleteSchedule")
        arn = cdk.Stack.of(self).format_arn(
            service="scheduler", resource="schedule", resource_name=f"{self.group.ref}/*"
        )
        return [
            iam.PolicyStatement(
                sid="Schedules", actions=[f"scheduler:{action}" for action in actions], resources=[arn]
            ),
            iam.PolicyStatement(
                sid="ScheduleRole",
                actions=["iam:PassRole"],
                resources=[self.role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
            ),
        ]
