"""EventBridge Scheduler: fires the schedules that moto stores, anywhere within their minute as Scheduler does."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from local.aws import moto_backends
from local.aws.calls import AwsCall, error_response
from local.clock import Clock, VirtualTimer, VirtualTimers
from local.http_server import Response
from local.schedules.recurrence import Recurrence, UnsupportedExpression
from local.template.roles import Permission, PermissionDenied, Role

_NAME = re.compile(r"[0-9a-zA-Z-_.]{1,64}")
PRECISION_SECONDS = 60.0


@dataclass(frozen=True)
class PendingFiring:
    """The next firing of a schedule. `at`: its scheduled time. `times`: the ones after it."""

    schedule: Any
    at: float
    timer: VirtualTimer
    times: Iterator[float]


class Scheduler:
    """All schedules of all groups. The AWS endpoint calls `rearm` after each change."""

    def __init__(
        self,
        *,
        clock: Clock,
        timers: VirtualTimers,
        roles: dict[str, Role],
        send: Callable[[str, str], None],
        invoke: Callable[[str, str], None],
        randomness: random.Random,
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._roles = roles
        self._deliveries = {"sqs": ("sqs:SendMessage", send), "lambda": ("lambda:InvokeFunction", invoke)}
        self._random = randomness
        self._firings: dict[tuple[str, str], PendingFiring] = {}

    def validation_error(self, call: AwsCall) -> Response | None:
        """The error of a CreateSchedule or UpdateSchedule that Scheduler refuses and moto accepts, else None."""
        if call.operation not in ("CreateSchedule", "UpdateSchedule"):
            return None
        p, (group, name) = call.parameters, call.schedule
        problem = None
        if not _NAME.fullmatch(name):
            problem = f"Value '{name}' at 'name' failed to satisfy constraint: ^[0-9a-zA-Z-_.]{{1,64}}$"
        elif p.get("FlexibleTimeWindow", {}).get("Mode") not in ("OFF", "FLEXIBLE"):
            problem = "FlexibleTimeWindow is required"
        elif "scheduler.amazonaws.com" not in getattr(self._roles.get(p["Target"]["RoleArn"]), "trusted_services", ()):
            problem = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."
        elif group not in moto_backends.backend("scheduler").schedule_groups:
            return error_response(
                "scheduler", "ResourceNotFoundException", f"Schedule group {group} does not exist.", 404
            )
        else:
            problem = self._time_error(p)
        return error_response("scheduler", "ValidationException", problem) if problem else None

    def _time_error(self, p: dict[str, Any]) -> str | None:
        now, start, end = self._clock.now(), p.get("StartDate"), p.get("EndDate")
        try:
            Recurrence(p["ScheduleExpression"], p.get("ScheduleExpressionTimezone") or "UTC").check()
        except UnsupportedExpression as unknown:
            return str(unknown)
        if start is not None and start < now - 300:
            return "The StartDate you specify cannot be earlier than 5 minutes ago."
        if end is not None and end <= max(now, start or 0):
            return "The EndDate you specify must come after the StartDate, and lie in the future."
        if not 60 <= p["Target"].get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", 86_400) <= 86_400:
            return "MaximumEventAgeInSeconds must be from 60 to 86400"
        return None

    def rearm(self, group: str, name: str) -> None:
        """Arm or disarm a schedule after its creation, change or deletion."""
        known = self._firings.pop((group, name), None)
        if known:
            known.timer.cancel()
        groups = moto_backends.backend("scheduler").schedule_groups
        schedule = groups[group].schedules.get(name) if group in groups else None
        if schedule is None or schedule.state == "DISABLED":
            return
        now = self._clock.now()
        # A change between a firing's scheduled time and its delivery does not lose the firing.
        after = known.at - 1 if known and known.at <= now else now
        self._arm(group, name, schedule, _times_after(schedule, after))

    def _arm(self, group: str, name: str, schedule: Any, times: Iterator[float]) -> None:
        scheduled_time = next(times, None)
        if scheduled_time is None:
            return
        minute = scheduled_time - scheduled_time % PRECISION_SECONDS
        at = max(self._clock.now(), minute + self._random.random() * PRECISION_SECONDS)
        timer = self._timers.at(at, lambda: self._fire(group, name))
        self._firings[group, name] = PendingFiring(schedule, scheduled_time, timer, times)

    def _fire(self, group: str, name: str) -> None:
        firing = self._firings.pop((group, name))
        schedule, target = firing.schedule, firing.schedule.target
        text = target.get("Input", "{}")
        scheduled = datetime.fromtimestamp(firing.at, ZoneInfo("UTC"))
        text = text.replace("<aws.scheduler.scheduled-time>", f"{scheduled:%Y-%m-%dT%H:%M:%SZ}")
        text = text.replace("<aws.scheduler.schedule-arn>", schedule.arn)
        oldest = target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", 86_400)
        recurring = not schedule.schedule_expression.startswith("at(")
        # A clock that jumped makes firings late, as an outage does.
        too_late = recurring and self._clock.now() - firing.at > oldest + PRECISION_SECONDS
        if too_late or not self._deliver(target["Arn"], text, target["RoleArn"]):
            dead_letters = target.get("DeadLetterConfig", {}).get("Arn")
            if dead_letters:
                self._deliver(dead_letters, text, target["RoleArn"])
        if recurring:
            self._arm(group, name, schedule, firing.times)
        elif schedule.action_after_completion == "DELETE":
            moto_backends.backend("scheduler").schedule_groups[group].schedules.pop(name, None)

    def _deliver(self, arn: str, text: str, role_arn: str) -> bool:
        action, deliver = self._deliveries[arn.split(":")[2]]
        try:
            self._roles[role_arn].require([Permission(action, arn)])
            deliver(arn, text)
        except (PermissionDenied, KeyError) as problem:
            print(f"a schedule could not be delivered to {arn}: {problem}")
            return False
        return True


def _times_after(schedule: Any, after: float) -> Iterator[float]:
    expression, zone = schedule.schedule_expression, schedule.schedule_expression_timezone
    start, end = (None if at is None else float(at) for at in (schedule.start_date, schedule.end_date))
    if expression.startswith("rate("):
        # Without a start, a rate counts from the creation of the schedule.
        start = start or schedule.creation_date
    return Recurrence(expression, zone or "UTC", start, end).times_after(after)
