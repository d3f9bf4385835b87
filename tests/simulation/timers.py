"""EventBridge Scheduler: moto keeps the schedules, this fires them, anywhere within their minute, at least once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.scheduler.exceptions import ScheduleExists, ScheduleNotFound
from moto.scheduler.models import EventBridgeSchedulerBackend

from tests.simulation.fibers import SECOND

if TYPE_CHECKING:
    from tests.simulation.world import World

MINUTE = 60 * SECOND


class ConflictException(ClientError):
    pass


class ResourceNotFoundException(ClientError):
    pass


class Scheduler:
    """boto3's client of EventBridge Scheduler, as far as the functions speak it."""

    def __init__(self, world: World, group: str) -> None:
        self.world = world
        self.group = group
        self.backend = EventBridgeSchedulerBackend("us-east-1", "123456789012")
        self.backend.create_schedule_group(group, [])

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return getattr(self, operation)(arguments) or {}
        except ScheduleExists as error:
            raise ConflictException(described("ConflictException", error), operation) from None
        except ScheduleNotFound as error:
            raise ResourceNotFoundException(described("ResourceNotFoundException", error), operation) from None

    def create_schedule(self, arguments: dict[str, Any]) -> dict[str, Any]:
        made = self.backend.create_schedule(
            description=arguments.get("Description"),
            end_date=None,
            flexible_time_window=arguments["FlexibleTimeWindow"],
            group_name=arguments["GroupName"],
            kms_key_arn=None,
            name=arguments["Name"],
            schedule_expression=arguments["ScheduleExpression"],
            schedule_expression_timezone=arguments.get("ScheduleExpressionTimezone", "UTC"),
            start_date=None,
            state=arguments.get("State", "ENABLED"),
            target=arguments["Target"],
            action_after_completion=arguments.get("ActionAfterCompletion"),
        )
        expression = arguments["ScheduleExpression"]
        if not expression.startswith("at("):
            raise ClientError({"Error": {"Code": "ValidationException", "Message": expression}}, "CreateSchedule")
        at = datetime.fromisoformat(expression[3:-1]).replace(tzinfo=UTC)
        self._fire_at(int(at.timestamp()) * SECOND, arguments["Name"])
        return {"ScheduleArn": made.arn}

    def delete_schedule(self, arguments: dict[str, Any]) -> None:
        self.backend.delete_schedule(arguments["GroupName"], arguments["Name"])

    def names(self) -> list[str]:
        return list(self.backend.schedule_groups[self.group].schedules)

    def _fire_at(self, minute: int, name: str) -> None:
        faults = self.world.faults
        self.world.hub.at(minute + faults.within(MINUTE), lambda: self._fire(name))
        if faults.happens("fired twice", name):
            self.world.hub.at(minute + faults.within(2 * MINUTE), lambda: self._fire(name, keep=True))

    def _fire(self, name: str, keep: bool = False) -> None:
        found = self.backend.schedule_groups[self.group].schedules.get(name)
        if found is None:
            return
        world = self.world
        target = found.target
        arn = target["Arn"]
        if world.faults.happens("unfired", f"{name} goes to the DLQ"):
            arn = target["DeadLetterConfig"]["Arn"]
        world.trace("timer", f"{name} fires")
        world.count("timers fired")
        world.queue_of(arn).send(target["Input"])
        if not keep:
            self.backend.delete_schedule(self.group, name)


def described(code: str, error: Exception) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": str(error)}}
