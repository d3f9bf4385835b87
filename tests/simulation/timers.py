"""EventBridge Scheduler: moto keeps the schedules, this fires them, anywhere within their minute, at least once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.scheduler.exceptions import ScheduleExists, ScheduleNotFound
from moto.scheduler.models import EventBridgeSchedulerBackend

from local.schedules.recurrence import Recurrence, UnsupportedExpression
from tests.simulation.deployment import GROUP, SCHEDULES_GROUP
from tests.simulation.fibers import SECOND

if TYPE_CHECKING:
    from tests.simulation.world import World

MINUTE = 60 * SECOND


class ConflictException(ClientError):
    pass


class ResourceNotFoundException(ClientError):
    pass


class ValidationException(ClientError):
    pass


@dataclass
class Armed:
    """The next time of a recurring schedule, and those after it. Epoch seconds."""

    at: int
    later: Iterator[float]


class Scheduler:
    """boto3's client of EventBridge Scheduler, as far as the functions speak it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.backend = EventBridgeSchedulerBackend("us-east-1", "123456789012")
        for group in (GROUP, SCHEDULES_GROUP):
            self.backend.create_schedule_group(group, [])
        self.armed: dict[str, Armed] = {}
        self.changed: set[str] = set()

    def call(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return getattr(self, operation)(arguments) or {}
        except ScheduleExists as error:
            raise ConflictException(described("ConflictException", error), operation) from None
        except ScheduleNotFound as error:
            raise ResourceNotFoundException(described("ResourceNotFoundException", error), operation) from None
        except UnsupportedExpression as error:
            raise ValidationException(described("ValidationException", error), operation) from None

    def create_schedule(self, arguments: dict[str, Any]) -> dict[str, Any]:
        times = times_of(arguments)
        made = self.backend.create_schedule(
            **fields(arguments), action_after_completion=arguments.get("ActionAfterCompletion")
        )
        if times.is_one_time:
            self._fire_at(int(next(times.times_after(0))) * SECOND, arguments["Name"])
        else:
            self._arm(arguments, times)
        return {"ScheduleArn": made.arn}

    def update_schedule(self, arguments: dict[str, Any]) -> dict[str, Any]:
        times = times_of(arguments)
        changed = self.backend.update_schedule(**fields(arguments))
        self.changed.add(arguments["Name"])
        self._arm(arguments, times)
        return {"ScheduleArn": changed.arn}

    def delete_schedule(self, arguments: dict[str, Any]) -> None:
        self.backend.delete_schedule(arguments["GroupName"], arguments["Name"])
        self.armed.pop(arguments["Name"], None)

    def names(self, group: str = GROUP) -> list[str]:
        return list(self.backend.schedule_groups[group].schedules)

    # -- once

    def _fire_at(self, minute: int, name: str) -> None:
        faults = self.world.faults
        self.world.hub.at(minute + faults.within(MINUTE), lambda: self._fire(name))
        if faults.happens("fired twice", name):
            self.world.hub.at(minute + faults.within(2 * MINUTE), lambda: self._fire(name, keep=True))

    def _fire(self, name: str, keep: bool = False) -> None:
        found = self.backend.schedule_groups[GROUP].schedules.get(name)
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
            self.backend.delete_schedule(GROUP, name)

    # -- again and again

    def _arm(self, arguments: dict[str, Any], times: Recurrence) -> None:
        """As `local.schedules.scheduler`: a change within the minute of a firing that is under way does not lose it."""
        name, now = arguments["Name"], self.world.hub.now / SECOND
        known = self.armed.pop(name, None)
        if arguments["State"] == "ENABLED":
            self._next(name, times.times_after(known.at - 1 if known and known.at <= now else now))

    def _next(self, name: str, times: Iterator[float]) -> None:
        self.armed.pop(name, None)
        at = next(times, None)
        if at is not None:
            armed = self.armed[name] = Armed(int(at), times)
            self.world.hub.at(armed.at * SECOND + self.world.faults.within(MINUTE), lambda: self._recurs(name, armed))

    def _recurs(self, name: str, armed: Armed) -> None:
        if self.armed.get(name) is not armed:
            return
        world, faults = self.world, self.world.faults
        target = self.backend.schedule_groups[SCHEDULES_GROUP].schedules[name].target
        scheduled = f"{datetime.fromtimestamp(armed.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
        given = target["Input"].replace("<aws.scheduler.scheduled-time>", scheduled)
        world.trace("schedule", f"{name[:26]} fires for {scheduled}")
        world.count("schedules fired")
        late = 0
        if faults.happens("fired late", f"{name[:26]} for {scheduled}"):
            late = faults.within(faults.choose((5, 120)) * MINUTE)
        if late > target["RetryPolicy"]["MaximumEventAgeInSeconds"] * SECOND:
            world.trace("schedule", "dropped: it could not be delivered in time")
            world.watch.schedules.lost(given)
        else:
            world.hub.after(late, lambda: world.events.invoke(given))
            if faults.happens("fired twice", f"{name[:26]} for {scheduled}"):
                world.hub.after(
                    faults.choose((0, late)) + faults.within(2 * MINUTE), lambda: world.events.invoke(given)
                )
        self._next(name, armed.later)


def times_of(arguments: dict[str, Any]) -> Recurrence:
    """Raises UnsupportedExpression."""
    bounds = (arguments[name].timestamp() if name in arguments else None for name in ("StartDate", "EndDate"))
    times = Recurrence(arguments["ScheduleExpression"], arguments.get("ScheduleExpressionTimezone") or "UTC", *bounds)
    times.check()
    return times


def fields(arguments: dict[str, Any]) -> dict[str, Any]:
    """As moto's backend takes them. Not its dates: it holds those against the time of day."""
    return {
        "description": arguments.get("Description"),
        "end_date": None,
        "flexible_time_window": arguments["FlexibleTimeWindow"],
        "group_name": arguments["GroupName"],
        "kms_key_arn": None,
        "name": arguments["Name"],
        "schedule_expression": arguments["ScheduleExpression"],
        "schedule_expression_timezone": arguments.get("ScheduleExpressionTimezone", "UTC"),
        "start_date": None,
        "state": arguments.get("State", "ENABLED"),
        "target": arguments["Target"],
    }


def described(code: str, error: Exception) -> dict[str, Any]:
    return {"Error": {"Code": code, "Message": str(error)}}
