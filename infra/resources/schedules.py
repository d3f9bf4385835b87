"""Recurring schedules: the group that they are made in, and the role that EventBridge Scheduler fires them with."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from ..config import Config
from .schedule_groups import allow_schedules, scheduler_role


class Schedules(Construct):
    """A group apart from timers: deleting a timer cannot hit a schedule, and dropped firings are counted apart.

    `firing_name`, `firing_arn`: of the function that schedules call, known before it is created. The name is fixed, so
    that old schedules still find it. `producer_name`: of the function that scripts invoke; schedules older than the
    firing function call it until their next firing (docs/adr/0024).
    """

    def __init__(self, scope: Construct, id: str, *, config: Config) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self.firing_name = f"{config.name}-firing"
        self.producer_name = f"{config.name}-producer"
        self.firing_arn, producer_arn = (_arn(stack, name) for name in (self.firing_name, self.producer_name))
        self.group = scheduler.CfnScheduleGroup(self, "Group")
        self.role = scheduler_role(
            self,
            self.group,
            description="EventBridge Scheduler: fire a schedule",
            policy="fire",
            statements=[
                iam.PolicyStatement(
                    sid="Fire", actions=["lambda:InvokeFunction"], resources=[self.firing_arn, producer_arn]
                )
            ],
        )

    def environment(self) -> dict[str, str]:
        """Variables of the functions that create schedules."""
        return {
            "SCHEDULE_GROUP": self.group.ref,
            "SCHEDULE_ROLE_ARN": self.role.role_arn,
            "FIRING_ARN": self.firing_arn,
        }

    def allow(self, *actions: str) -> list[iam.PolicyStatement]:
        """Actions (`CreateSchedule`) on schedules."""
        return allow_schedules(self.group, self.role, sid="Schedules", role_sid="ScheduleRole", actions=actions)


def _arn(stack: cdk.Stack, function: str) -> str:
    return stack.format_arn(
        service="lambda",
        resource="function",
        resource_name=function,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
