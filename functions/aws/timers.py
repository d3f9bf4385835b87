"""One-time schedules of EventBridge Scheduler, for wake-ups that are due later than SQS can delay a message."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from functions.aws.queues import Lane
from functions.aws.transient_errors import translate_transient_errors
from functions.core.wakeup import WakeUp


class Timers:
    """`client` makes the Scheduler client on first use: most invocations never need it."""

    def __init__(self, client: Callable[[], Any], group: str, role_arn: str) -> None:
        self.client = client
        self.group = group
        self.role_arn = role_arn

    def create(self, name: str, lane: Lane, wakeup: WakeUp, *, at: int) -> None:
        """Sends the wake-up to the lane in the minute of `at` (epoch ms). Does nothing when the timer exists."""
        scheduler = self.client()
        with translate_transient_errors("Scheduler"):
            try:
                scheduler.create_schedule(
                    Name=name,
                    GroupName=self.group,
                    ScheduleExpression=f"at({datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%S})",
                    ScheduleExpressionTimezone="UTC",
                    FlexibleTimeWindow={"Mode": "OFF"},
                    ActionAfterCompletion="DELETE",
                    Target={
                        "Arn": lane.arn,
                        "RoleArn": self.role_arn,
                        "Input": wakeup.body(),
                        # A wake-up that SQS does not accept for a day goes to the lane's DLQ; the dead-letter function
                        # sends it again.
                        "RetryPolicy": {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185},
                        "DeadLetterConfig": {"Arn": lane.dead_letter_arn},
                    },
                )
            except scheduler.exceptions.ConflictException:
                return

    def delete(self, name: str) -> None:
        """For a task that was cancelled or rescheduled. Without it, a worker would drop the old wake-up."""
        scheduler = self.client()
        with translate_transient_errors("Scheduler"):
            try:
                scheduler.delete_schedule(Name=name, GroupName=self.group)
            except scheduler.exceptions.ResourceNotFoundException:
                return
