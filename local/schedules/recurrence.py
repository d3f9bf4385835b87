"""The times of a schedule expression, as EventBridge Scheduler has them: at(…), rate(…), cron(…).

croniter reads cron on local time. A local time that daylight saving skips does not fire; of one that occurs twice the
first fires (AWS: «runs only once»). Lists that croniter does not accept (MON,FRIL or 1W,15) are split into several.
"""

from __future__ import annotations

import calendar
import heapq
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\(([1-9]\d{0,6}) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


class UnsupportedExpression(ValueError):
    """A schedule expression that Scheduler would refuse, or that is not emulated."""


@dataclass(frozen=True)
class Recurrence:
    """A schedule expression in a zone. Times are epoch seconds. `start`: the first time of a rate."""

    expression: str
    zone: str
    start: float | None = None
    end: float | None = None

    @property
    def is_one_time(self) -> bool:
        return self.expression.startswith("at(")

    def check(self) -> None:
        """Raises UnsupportedExpression."""
        next(self.times_after(0.0), None)

    def times_after(self, at: float) -> Iterator[float]:
        """All times later than `at`; for at(…) its one time, also when that is past."""
        if match := _AT.fullmatch(self.expression):
            try:
                yield datetime.fromisoformat(match[1]).replace(tzinfo=self._zone()).timestamp()
            except ValueError:
                raise self._unknown() from None
            return
        for time in self._rate(at) if self.expression.startswith("rate(") else self._cron(at):
            if self.end is not None and time >= self.end:
                return
            if self.start is None or time >= self.start:
                yield time

    def _rate(self, at: float) -> Iterator[float]:
        match = _RATE.fullmatch(self.expression)
        if not match or (match[1] == "1") == match[0].endswith("s)"):
            raise self._unknown()
        period = int(match[1]) * _SECONDS[match[2]]
        first = self.start or 0.0
        number = max(0, math.floor((at - first) / period) + 1)
        while True:
            yield first + number * period
            number += 1

    def _cron(self, at: float) -> Iterator[float]:
        match = _CRON.fullmatch(self.expression)
        if not match:
            raise self._unknown()
        minute, hour, day, month, weekday, year = match.groups()
        if (day == "?") == (weekday == "?"):
            raise self._unknown()
        zone = self._zone()
        begin = datetime.fromtimestamp(max(at, self.start - 60 if self.start else 0.0), zone).replace(tzinfo=None)
        begin = begin.replace(second=0, microsecond=0)
        walls = []
        for days, weekdays, is_valid in _read_days(day) if weekday == "?" else _read_weekdays(weekday):
            try:
                times = croniter(f"{minute} {hour} {days} {month} {weekdays} 0 {year}", begin, ret_type=datetime)
            except (CroniterError, ValueError):
                raise self._unknown() from None
            walls.append(filter(is_valid, _all_times(times)))
        latest = None
        for wall in heapq.merge(*walls):
            if wall == latest:
                continue
            latest = wall
            time = wall.replace(tzinfo=zone, fold=0).timestamp()
            if time > at and datetime.fromtimestamp(time, zone).replace(tzinfo=None) == wall:
                yield time

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise UnsupportedExpression(f"Invalid Schedule Expression Timezone {self.zone}.") from None

    def _unknown(self) -> UnsupportedExpression:
        return UnsupportedExpression(f"Invalid Schedule Expression {self.expression} in {self.zone}.")


def _all_times(times: croniter) -> Iterator[datetime]:
    while True:
        try:
            yield times.get_next()
        except CroniterBadDateError:
            return


# A field of days for croniter: (days of the month, days of the week, filter of the times).
_Days = tuple[str, str, Callable[[datetime], bool]]


def _read_days(field: str) -> Iterator[_Days]:
    plain = []
    for part in field.upper().split(","):
        if part == "LW":
            yield "*", "1-5", _is_last_working_day
        elif part.endswith("W"):
            # In a month without a 31st croniter takes 31W as the 30th; Scheduler does not fire there.
            yield part, "*", partial(_has_day, int(part[:-1]) if part[:-1].isdigit() else 0)
        else:
            plain.append(part)
    if plain:
        yield ",".join(plain), "*", lambda wall: True


def _has_day(day: int, wall: datetime) -> bool:
    return day <= calendar.monthrange(wall.year, wall.month)[1]


def _is_last_working_day(wall: datetime) -> bool:
    next_one = wall + timedelta(days=3 if wall.weekday() == 4 else 1)
    return next_one.month != wall.month


def _read_weekdays(field: str) -> Iterator[_Days]:
    """AWS counts from SUN = 1, croniter from 0; FRIL, the last Friday, is L5 to it."""
    if field == "*":
        yield "*", "*", lambda wall: True
        return
    names = {name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
    plain, of_month = [], []
    for part in field.upper().split(","):
        head, nth, number = part.partition("#")
        head = re.sub(r"(?<!/)\b\d", lambda found: str(int(found[0]) - 1), head)
        head = re.sub("|".join(names), lambda found: names[found[0]], head)
        if head == "L":
            plain.append("6")
        elif head.endswith("L"):
            of_month.append(f"L{head[:-1]}")
        elif nth:
            of_month.append(head + nth + number)
        else:
            plain.append(head)
    for parts in filter(None, (plain, of_month)):
        yield "*", ",".join(parts), lambda wall: True
