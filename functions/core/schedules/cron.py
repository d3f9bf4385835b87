"""Cron expressions: Unix's five fields, and the six of EventBridge Scheduler in `cron(…)`."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from functions.core.schedules.recurrence import InvalidExpression

FIRST_YEAR, LAST_YEAR = 1970, 2199
"""AWS: years of a cron expression."""
EXPRESSION_CHARACTERS = 256
"""AWS: characters of a schedule expression."""
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class CronField:
    """One field of a cron expression. `names` begin at `low`."""

    name: str
    low: int
    high: int
    names: Sequence[str] = ()

    def parse_number(self, text: str) -> int:
        if text.upper() in self.names:
            return self.low + self.names.index(text.upper())
        if not re.fullmatch(r"[0-9]{1,4}", text):
            raise InvalidExpression(f"{self.name}: {text!r} is no {'number or name' if self.names else 'number'}")
        if not self.low <= int(text) <= self.high:
            raise InvalidExpression(f"{self.name}: {text} is not from {self.low} to {self.high}")
        return int(text)

    def parse_values(self, text: str) -> set[int]:
        numbers: set[int] = set()
        for part in text.split(","):
            span, slash, step = part.partition("/")
            if slash and (not re.fullmatch(r"[0-9]{1,4}", step) or int(step) < 1):
                raise InvalidExpression(f"{self.name}: {part!r} has no step of 1 or more")
            first, dash, last = span.partition("-")
            if span == "*":
                low, high = self.low, self.high
            else:
                low = self.parse_number(first)
                high = self.parse_number(last) if dash else self.high if slash else low
            # A range may wrap around: FRI-MON, 22-2.
            span_of = range(low, high + 1) if low <= high else (*range(low, self.high + 1), *range(self.low, high + 1))
            numbers.update(list(span_of)[:: int(step) if slash else 1])
        return numbers


MINUTE = CronField("minute", 0, 59)
HOUR = CronField("hour", 0, 23)
DAY = CronField("day of month", 1, 31)
MONTH = CronField("month", 1, 12, MONTHS)
YEAR = CronField("year", FIRST_YEAR, LAST_YEAR)
UNIX_WEEKDAY = CronField("day of week", 0, 6, WEEKDAYS)
AWS_WEEKDAY = CronField("day of week", 1, 7, WEEKDAYS)


@dataclass(frozen=True)
class DaysOfMonth:
    """The days of a month that match. Days of the month: `days`, `last` (L), `near` (15W), `last_working` (LW). Days of
    the week, 0 is Sunday: `weekdays`, `last_weekdays` (FRIL), `nth` (MON#2)."""

    days: frozenset[int] = frozenset()
    last: bool = False
    near: frozenset[int] = frozenset()
    last_working: bool = False
    weekdays: frozenset[int] = frozenset()
    last_weekdays: frozenset[int] = frozenset()
    nth: frozenset[tuple[int, int]] = frozenset()

    def in_month(self, year: int, month: int) -> list[int]:
        monday_first, length = calendar.monthrange(year, month)
        sunday_first = (monday_first + 1) % 7

        def weekday(day: int) -> int:
            return (sunday_first + day - 1) % 7

        days = {nearest_working_day(day, length, weekday(day)) for day in self.near if day <= length}
        if self.last:
            days.add(length)
        if self.last_working:
            days.add(length - {6: 1, 0: 2}.get(weekday(length), 0))
        for day in range(1, length + 1):
            kind = weekday(day)
            if (
                day in self.days
                or kind in self.weekdays
                or (kind in self.last_weekdays and day > length - 7)
                or (kind, (day + 6) // 7) in self.nth
            ):
                days.add(day)
        return sorted(days)


def nearest_working_day(day: int, length: int, weekday: int) -> int:
    """The working day nearest to `day`, in the same month."""
    if weekday == 6:
        return day - 1 if day > 1 else day + 2
    if weekday == 0:
        return day + 1 if day < length else day - 2
    return day


@dataclass(frozen=True)
class Cron:
    expression: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: DaysOfMonth
    months: frozenset[int]
    years: frozenset[int]

    def times_after(self, after: int, *, zone: ZoneInfo, anchor: int | None) -> Iterator[int]:
        begin = datetime.fromtimestamp(after / 1000, zone).replace(tzinfo=None, second=0, microsecond=0)
        for wall in self.wall_clock_times(begin):
            # A local time that occurs twice counts at its first occurrence; one that is skipped does not count.
            moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
            if moment.astimezone(zone).replace(tzinfo=None) != wall:
                continue
            at = round(moment.timestamp()) * 1000
            if at > after:
                yield at

    def wall_clock_times(self, begin: datetime) -> Iterator[datetime]:
        """The times as local clocks show them, from `begin` on."""
        for year in range(max(begin.year, FIRST_YEAR), LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in sorted(self.months):
                if (year, month) < (begin.year, begin.month):
                    continue
                for day in self.days.in_month(year, month):
                    date = datetime(year, month, day)  # noqa: DTZ001 - what the clocks show, in whatever zone
                    if date + timedelta(days=1) <= begin:
                        continue
                    for hour in self.hours:
                        for minute in self.minutes:
                            wall = date.replace(hour=hour, minute=minute)
                            if wall >= begin:
                                yield wall


def parse_cron(text: str) -> Cron:
    """Five fields as in Unix (minute, hour, day of month, month, day of week), or AWS's six in `cron(…)`."""
    stripped = text.strip()
    inner = re.fullmatch(r"cron\((.*)\)", stripped, re.IGNORECASE)
    fields = (inner[1] if inner else stripped).upper().split()
    if inner:
        if len(fields) != 6:
            raise InvalidExpression(f"cron(…) has six fields, the last one is the year; this one has {len(fields)}")
        return parse_aws_cron(fields)
    if len(fields) != 5:
        raise InvalidExpression(
            "must have five fields: minute, hour, day of month, month, day of week; "
            f"this one has {len(fields)} (AWS's six are written as cron(0 9 ? * MON-FRI *))"
        )
    return parse_unix_cron(fields)


def parse_unix_cron(fields: Sequence[str]) -> Cron:
    minute, hour, day, month, weekday = fields
    minutes, hours = MINUTE.parse_values(minute), HOUR.parse_values(hour)
    days, months = DAY.parse_values(day), MONTH.parse_values(month)
    weekdays = UNIX_WEEKDAY.parse_values(sunday_as_zero(weekday))
    every_day, every_weekday = len(days) == 31, len(weekdays) == 7
    if not every_day and not every_weekday:
        raise InvalidExpression(
            "gives both a day of month and a day of week, which Unix joins by «or» and EventBridge Scheduler cannot: "
            "make two schedules of it"
        )
    expression = " ".join(
        (
            format_values(minutes, MINUTE),
            format_values(hours, HOUR),
            format_values(days, DAY) if every_weekday else "?",
            format_values(months, MONTH),
            "?" if every_weekday else ",".join(WEEKDAYS[each] for each in sorted(weekdays)),
            "*",
        )
    )
    return require_short_expression(
        Cron(
            expression=f"cron({expression})",
            minutes=tuple(sorted(minutes)),
            hours=tuple(sorted(hours)),
            days=DaysOfMonth(days=frozenset(days)) if every_weekday else DaysOfMonth(weekdays=frozenset(weekdays)),
            months=frozenset(months),
            years=frozenset(range(FIRST_YEAR, LAST_YEAR + 1)),
        )
    )


def sunday_as_zero(text: str) -> str:
    """Unix also accepts 7 for Sunday. 5-7 becomes 5-0: ranges may wrap around here."""
    return re.sub(r"(?<![0-9/#])7(?![0-9])", "0", text.replace("0-7", "*"))


def parse_aws_cron(fields: Sequence[str]) -> Cron:
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise InvalidExpression("of day of month and day of week, exactly one must be ?")
    return require_short_expression(
        Cron(
            expression=f"cron({' '.join(fields)})",
            minutes=tuple(sorted(MINUTE.parse_values(minute))),
            hours=tuple(sorted(HOUR.parse_values(hour))),
            days=parse_aws_days(day) if weekday == "?" else parse_aws_weekdays(weekday),
            months=frozenset(MONTH.parse_values(month)),
            years=frozenset(YEAR.parse_values(year)),
        )
    )


def parse_aws_days(text: str) -> DaysOfMonth:
    days: set[int] = set()
    near: set[int] = set()
    parts = text.split(",")
    for part in parts:
        if part.endswith("W") and part != "LW":
            near.add(DAY.parse_number(part[:-1]))
        elif part not in ("L", "LW"):
            days |= DAY.parse_values(part)
    return DaysOfMonth(days=frozenset(days), last="L" in parts, near=frozenset(near), last_working="LW" in parts)


def parse_aws_weekdays(text: str) -> DaysOfMonth:
    plain: set[int] = set()
    last: set[int] = set()
    nth: set[tuple[int, int]] = set()
    for part in text.split(","):
        kind, found, number = part.partition("#")
        if found:
            if number not in ("1", "2", "3", "4", "5"):
                raise InvalidExpression(f"day of week: {part!r} is not of the 1st to 5th of a month")
            nth.add((AWS_WEEKDAY.parse_number(kind) - 1, int(number)))
        elif part == "L":
            plain.add(6)
        elif part.endswith("L"):
            last.add(AWS_WEEKDAY.parse_number(part[:-1]) - 1)
        else:
            plain |= {each - 1 for each in AWS_WEEKDAY.parse_values(part)}
    return DaysOfMonth(weekdays=frozenset(plain), last_weekdays=frozenset(last), nth=frozenset(nth))


def require_short_expression(cron: Cron) -> Cron:
    if len(cron.expression) > EXPRESSION_CHARACTERS:
        raise InvalidExpression(f"is longer than {EXPRESSION_CHARACTERS} characters as EventBridge Scheduler takes it")
    return cron


def format_values(values: set[int], field: CronField) -> str:
    """The values as a list of numbers and ranges, the notation that all cron parsers agree on."""
    if len(values) == field.high - field.low + 1:
        return "*"
    parts, ordered = [], sorted(values)
    while ordered:
        run = 1
        while run < len(ordered) and ordered[run] == ordered[0] + run:
            run += 1
        parts.append(f"{ordered[0]}-{ordered[run - 1]}" if run > 2 else ",".join(map(str, ordered[:run])))
        ordered = ordered[run:]
    return ",".join(parts)
