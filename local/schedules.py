"""EventBridge Scheduler: fires what moto stores. As late within the minute as Scheduler itself may be."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from local import moto_cloud
from local.aws_calls import Call, error
from local.clock import Clock, Timer, Timers
from local.http_server import Response
from local.permissions import Denied, Needed, Role

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_NAME = re.compile(r"[0-9a-zA-Z-_.]{1,64}")
PRECISION_SECONDS = 60.0


class UnknownExpression(ValueError):
    """A schedule expression that Scheduler would refuse, or that is not emulated yet (cron, rate)."""


def due(expression: str, zone: str) -> float:
    """When (epoch seconds) a one-time schedule is due."""
    match = _AT.fullmatch(expression)
    if not match:
        raise UnknownExpression(f"Invalid Schedule Expression {expression}.")
    try:
        return datetime.fromisoformat(match[1]).replace(tzinfo=ZoneInfo(zone)).timestamp()
    except (ValueError, KeyError, OSError):
        raise UnknownExpression(f"Invalid Schedule Expression {expression} in {zone}.") from None


@dataclass(frozen=True)
class Firing:
    """What a schedule sends, when it fires."""

    schedule: Any
    at: float
    timer: Timer


class Schedules:
    """All schedules of all groups. Told of each change by the AWS endpoint."""

    def __init__(
        self,
        *,
        clock: Clock,
        timers: Timers,
        roles: dict[str, Role],
        send: Callable[[str, str], None],
        randomness: random.Random,
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._roles = roles
        self._send = send
        self._random = randomness
        self._firings: dict[tuple[str, str], Firing] = {}

    def refuse(self, call: Call) -> Response | None:
        """What Scheduler would refuse of a Create or Update, and moto takes."""
        if call.operation not in ("CreateSchedule", "UpdateSchedule"):
            return None
        p, (group, name) = call.parameters, call.schedule
        problem = None
        if not _NAME.fullmatch(name):
            problem = f"Value '{name}' at 'name' failed to satisfy constraint: ^[0-9a-zA-Z-_.]{{1,64}}$"
        elif p.get("FlexibleTimeWindow", {}).get("Mode") not in ("OFF", "FLEXIBLE"):
            problem = "FlexibleTimeWindow is required"
        elif "scheduler.amazonaws.com" not in getattr(self._roles.get(p["Target"]["RoleArn"]), "trusted", ()):
            problem = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        elif group not in moto_cloud.backend("scheduler").schedule_groups:
            return error("scheduler", "ResourceNotFoundException", f"Schedule group {group} does not exist.", 404)
        else:
            try:
                due(p["ScheduleExpression"], p.get("ScheduleExpressionTimezone") or "UTC")
            except UnknownExpression as unknown:
                problem = str(unknown)
        return error("scheduler", "ValidationException", problem) if problem else None

    def refresh(self, group: str, name: str) -> None:
        """A schedule was made, changed or deleted: arm it, or disarm it."""
        known = self._firings.pop((group, name), None)
        if known:
            known.timer.cancel()
        groups = moto_cloud.backend("scheduler").schedule_groups
        schedule = groups[group].schedules.get(name) if group in groups else None
        if schedule is None or schedule.state == "DISABLED":
            return
        asked = due(schedule.schedule_expression, schedule.schedule_expression_timezone)
        minute = asked - asked % PRECISION_SECONDS
        at = max(self._clock.now(), minute + self._random.random() * PRECISION_SECONDS)
        timer = self._timers.at(at, lambda: self._fire(group, name))
        self._firings[group, name] = Firing(schedule, asked, timer)

    def _fire(self, group: str, name: str) -> None:
        firing = self._firings.pop((group, name))
        schedule, target = firing.schedule, firing.schedule.target
        text = target.get("Input", "{}")
        scheduled = datetime.fromtimestamp(firing.at, ZoneInfo("UTC"))
        text = text.replace("<aws.scheduler.scheduled-time>", f"{scheduled:%Y-%m-%dT%H:%M:%SZ}")
        text = text.replace("<aws.scheduler.schedule-arn>", schedule.arn)
        if not self._deliver(target["Arn"], text, target["RoleArn"]):
            dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
            if dead_letters:
                self._deliver(dead_letters, text, target["RoleArn"])
        if schedule.action_after_completion == "DELETE":
            moto_cloud.backend("scheduler").schedule_groups[group].schedules.pop(name, None)

    def _deliver(self, queue_arn: str, text: str, role_arn: str) -> bool:
        try:
            self._roles[role_arn].check([Needed("sqs:SendMessage", queue_arn)])
            self._send(queue_arn, text)
        except (Denied, KeyError) as problem:
            print(f"a schedule could not be delivered to {queue_arn}: {problem}")
            return False
        return True
