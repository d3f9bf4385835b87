"""The recurring schedules of EventBridge Scheduler: one for each schedule of a tenant. They invoke the firing
function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.aws.transient_errors import translate_transient_errors
from functions.core.schedules.schedule import SchedulerDefinition


@dataclass
class RejectedByScheduler(Exception):
    """EventBridge Scheduler rejects a schedule that Taskyard accepts, such as one in a time zone that it does not
    know."""

    message: str


@dataclass(frozen=True)
class RecurringSchedules:
    """`client` makes the Scheduler client on first use. `target_arn`: of the firing function."""

    client: Callable[[], Any]
    group: str
    role_arn: str
    target_arn: str

    def create(self, recurring: SchedulerDefinition) -> bool:
        """False when a schedule of this name exists, which stays unchanged. Raises RejectedByScheduler."""
        scheduler = self.client()
        try:
            self._call(scheduler.create_schedule, recurring)
        except scheduler.exceptions.ConflictException:
            return False
        return True

    def put(self, recurring: SchedulerDefinition) -> None:
        """Updates the schedule, or creates it when there is none. A disabled one is not created: if the record of its
        schedule is gone, no firing would ever detect that. Raises RejectedByScheduler."""
        scheduler = self.client()
        try:
            self._call(scheduler.update_schedule, recurring)
        except scheduler.exceptions.ResourceNotFoundException:
            if recurring.enabled:
                self.create(recurring)

    def target_arn_of(self, name: str) -> str | None:
        """The ARN of the function that the schedule invokes. None when there is no schedule of this name."""
        scheduler = self.client()
        with translate_transient_errors("Scheduler"):
            try:
                return str(scheduler.get_schedule(Name=name, GroupName=self.group)["Target"]["Arn"])
            except scheduler.exceptions.ResourceNotFoundException:
                return None

    def delete(self, name: str) -> None:
        """Does nothing when there is no schedule of this name."""
        scheduler = self.client()
        with translate_transient_errors("Scheduler"):
            try:
                scheduler.delete_schedule(Name=name, GroupName=self.group)
            except scheduler.exceptions.ResourceNotFoundException:
                return

    def _call(self, operation: Callable[..., Any], recurring: SchedulerDefinition) -> None:
        bounds = {"StartDate": recurring.start, "EndDate": recurring.end}
        scheduler = self.client()
        with translate_transient_errors("Scheduler"):
            try:
                operation(
                    Name=recurring.name,
                    GroupName=self.group,
                    ScheduleExpression=recurring.expression,
                    ScheduleExpressionTimezone=recurring.timezone,
                    FlexibleTimeWindow={"Mode": "OFF"},
                    State="ENABLED" if recurring.enabled else "DISABLED",
                    Target={
                        "Arn": self.target_arn,
                        "RoleArn": self.role_arn,
                        "Input": recurring.input,
                        "RetryPolicy": {
                            "MaximumEventAgeInSeconds": recurring.max_age_seconds,
                            "MaximumRetryAttempts": 185,
                        },
                    },
                    **{name: datetime.fromtimestamp(at / 1000, UTC) for name, at in bounds.items() if at is not None},
                )
            except scheduler.exceptions.ValidationException as error:
                raise RejectedByScheduler(error.response["Error"].get("Message", "")) from error
