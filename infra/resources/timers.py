"""Timers for what is due later than SQS can delay: one-time schedules that send a wake-up to a lane."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from ..encryption import Encryption
from .lanes import Lanes
from .schedule_groups import allow_schedules, scheduler_role


class Timers(Construct):
    """The group of timers, and the role with which EventBridge Scheduler fires them."""

    def __init__(self, scope: Construct, id: str, *, lanes: Lanes, encryption: Encryption) -> None:
        super().__init__(scope, id)
        self.group = scheduler.CfnScheduleGroup(self, "Group")
        # The dead-letter queues too: Scheduler sends a failed firing there with the same role, and the dead-letter
        # function sends it to the lane again.
        wake = lanes.allow_fire()
        self.role = scheduler_role(
            self,
            self.group,
            description="EventBridge Scheduler: wake a lane",
            policy="wake",
            statements=[wake, *encryption.allow_key([wake])],
        )

    def allow(self, *actions: str) -> list[iam.PolicyStatement]:
        """Actions (`CreateSchedule`) on timers."""
        return allow_schedules(self.group, self.role, sid="Timers", role_sid="TimerRole", actions=actions)
