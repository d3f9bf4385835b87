"""Timers for what is due later than SQS can delay: one-time schedules that send a wake-up to a lane."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from infra.lanes import Lanes


class Timers(Construct):
    """The group that schedules are made in, and the role that EventBridge Scheduler takes to fire them."""

    def __init__(self, scope: Construct, id: str, *, lanes: Lanes) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self.group = scheduler.CfnScheduleGroup(self, "Group")
        # The dead-letter queues too: Scheduler puts a firing that failed there under this same role, and the
        # dead-letter function sends it round again.
        queues = [queue for lane in lanes.lanes for queue in (lane.queue, lane.dead_letters)]
        self.role = iam.Role(
            self,
            "Role",
            description="EventBridge Scheduler: wake a lane",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": self.group.attr_arn}},
            ),
            inline_policies={
                "wake": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="Wake", actions=["sqs:SendMessage"], resources=[queue.queue_arn for queue in queues]
                        )
                    ]
                )
            },
        )

    def schedules(self, *actions: str) -> list[iam.PolicyStatement]:
        """Actions (`CreateSchedule`) on the group's schedules; whoever makes one hands the role on to Scheduler."""
        arn = cdk.Stack.of(self).format_arn(
            service="scheduler", resource="schedule", resource_name=f"{self.group.ref}/*"
        )
        return [
            iam.PolicyStatement(sid="Timers", actions=[f"scheduler:{action}" for action in actions], resources=[arn]),
            iam.PolicyStatement(
                sid="TimerRole",
                actions=["iam:PassRole"],
                resources=[self.role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
            ),
        ]
