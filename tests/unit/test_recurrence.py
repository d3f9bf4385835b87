"""Cron and rate: beside croniter in UTC, on the days when clocks change, at the ends of months and years."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.schedules.cron import parse_cron
from functions.core.schedules.recurrence import InvalidExpression, Timetable, parse_rate, parse_zone
from local.schedules.recurrence import Recurrence, UnsupportedExpression

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
MINUTE = 60_000


def ms(written: str) -> int:
    return round(datetime.fromisoformat(written).timestamp() * 1000)


def table(cron: str, zone: str = "UTC", *, start: str | None = None, end: str | None = None) -> Timetable:
    return Timetable(parse_cron(cron), parse_zone(zone), start and ms(start), end and ms(end))  # type: ignore[arg-type]


def upcoming(cron: str, zone: str, after: str, count: int, **bounds: str) -> list[str]:
    times = table(cron, zone, **bounds).next_times(ms(after), count)
    return [datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).isoformat() for at in times]


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # Croniter takes 2-2 for the whole year.
    span = st.tuples(st.integers(low, high - 1), st.integers(1, high)).map(
        lambda pair: f"{pair[0]}-{min(high, pair[0] + pair[1])}"
    )
    step = st.integers(1, high)
    part = st.one_of(number.map(str), span, st.tuples(span, step).map(lambda both: f"{both[0]}/{both[1]}"))
    return st.one_of(st.just("*"), step.map(lambda by: f"*/{by}"), st.lists(part, min_size=1, max_size=3).map(",".join))


minutes, hours, days, months, weekdays = field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)
crons = st.one_of(
    st.tuples(minutes, hours, days, months, st.just("*")), st.tuples(minutes, hours, st.just("*"), months, weekdays)
).map(" ".join)
instants = st.integers(946_684_800, 3_786_912_000).map(lambda at: datetime.fromtimestamp(at, UTC))


@settings(max_examples=300, deadline=None)
@given(crons, instants)
def test_it_agrees_with_croniter(cron: str, after: datetime) -> None:
    ours = table(cron).next_times(round(after.timestamp() * 1000), 5)
    theirs = croniter(cron, after, ret_type=float)
    try:
        wanted = [round(next(theirs)) * 1000 for _ in ours]
    except Exception:  # the 31st of February
        wanted = []
    assert ours == wanted
    if not ours:
        assert not list(islice(table(cron).times_after(0), 1))


@settings(max_examples=150, deadline=None)
@given(crons, st.sampled_from([BERLIN, NEW_YORK, "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]), instants)
def test_what_the_local_scheduler_fires_is_what_was_told(cron: str, zone: str, after: datetime) -> None:
    """Two readers: this one, and local/ over croniter, of the expression that EventBridge Scheduler gets."""
    parsed = parse_cron(cron)
    told = Timetable(parsed, parse_zone(zone), None, None).next_times(round(after.timestamp()) * 1000, 6)
    fired = islice(Recurrence(parsed.expression, zone).times_after(float(round(after.timestamp()))), len(told))
    assert told == [round(at) * 1000 for at in fired]


# From a calendar: in 2026 the 1st of January is a Thursday, of February and March a Sunday, of May a Friday, of August
# a Saturday; the 31st of January is a Saturday, of May a Sunday.
FORMS = {
    # day of month
    "cron(0 9 * * ? *)": "01-01 01-02 01-03",
    "cron(0 9 15 * ? *)": "01-15 02-15 03-15",
    "cron(0 9 1,15,31 * ? *)": "01-01 01-15 01-31 02-01 02-15 03-01 03-15 03-31 04-01",
    "cron(0 9 30-31 * ? *)": "01-30 01-31 03-30 03-31 04-30",
    "cron(0 9 30-2 * ? *)": "01-01 01-02 01-30 01-31 02-01 02-02 03-01",
    "cron(0 9 1/10 * ? *)": "01-01 01-11 01-21 01-31 02-01",
    "cron(0 9 */15 * ? *)": "01-01 01-16 01-31 02-01",
    "cron(0 9 5-20/7 * ? *)": "01-05 01-12 01-19 02-05",
    "cron(0 9 L * ? *)": "01-31 02-28 03-31 04-30",
    "cron(0 9 L 2 ? 2028)": "2028-02-29",
    "cron(0 9 1,L * ? *)": "01-01 01-31 02-01 02-28 03-01",
    "cron(0 9 15W * ? *)": "01-15 02-16 03-16 04-15 05-15 06-15 07-15 08-14 09-15",
    "cron(0 9 1W * ? *)": "01-01 02-02 03-02 04-01 05-01 06-01 07-01 08-03 09-01",
    "cron(0 9 31W * ? *)": "01-30 03-31 05-29 07-31 08-31 10-30 12-31",
    "cron(0 9 30W 2,4,8 ? *)": "04-30 08-31",
    "cron(0 9 29W 2 ? *)": "2028-02-29 2032-02-27",
    "cron(0 9 1W,15W * ? *)": "01-01 01-15 02-02 02-16 03-02",
    "cron(0 9 15w,20,L * ? *)": "01-15 01-20 01-31 02-16 02-20 02-28",
    "cron(0 9 14,15W 2,8 ? *)": "02-14 02-16 08-14",
    "cron(0 9 LW * ? *)": "01-30 02-27 03-31 04-30 05-29",
    "cron(0 9 1,LW * ? *)": "01-01 01-30 02-01 02-27 03-01 03-31",
    "cron(0 9 L,LW * ? *)": "01-30 01-31 02-27 02-28 03-31",
    # day of week: 1 is Sunday
    "cron(0 9 ? * * *)": "01-01 01-02",
    "cron(0 9 ? * 1 *)": "01-04 01-11",
    "cron(0 9 ? * 7 *)": "01-03 01-10",
    "cron(0 9 ? * MON *)": "01-05 01-12",
    "cron(0 9 ? * mon,Wed *)": "01-05 01-07 01-12",
    "cron(0 9 ? * MON-FRI *)": "01-01 01-02 01-05",
    "cron(0 9 ? * 2-6 *)": "01-01 01-02 01-05",
    "cron(0 9 ? * FRI-MON *)": "01-02 01-03 01-04 01-05 01-09",
    "cron(0 9 ? * L *)": "01-03 01-10",
    "cron(0 9 ? * 6L *)": "01-30 02-27 03-27",
    "cron(0 9 ? * FRIL *)": "01-30 02-27 03-27",
    "cron(0 9 ? * SUNL *)": "01-25 02-22 03-29",
    "cron(0 9 ? * 3#2 *)": "01-13 02-10 03-10",
    "cron(0 9 ? * TUE#2 *)": "01-13 02-10 03-10",
    "cron(0 9 ? * SUN#5 *)": "03-29 05-31",
    "cron(0 9 ? * MON#1,FRI#3 *)": "01-05 01-16 02-02 02-20",
    "cron(0 9 ? * MON#1,FRIL *)": "01-05 01-30 02-02 02-27",
    "cron(0 9 ? * MON,FRIL *)": "01-05 01-12 01-19 01-26 01-30 02-02",
    "cron(0 9 ? * TUE,TUE#2 *)": "01-06 01-13 01-20",
    # month and year
    "cron(0 9 1 3 ? *)": "03-01 2027-03-01",
    "cron(0 9 1 JAN,jul ? *)": "01-01 07-01 2027-01-01",
    "cron(0 9 1 NOV-FEB ? *)": "01-01 02-01 11-01 12-01 2027-01-01",
    "cron(0 9 1 2/4 ? *)": "02-01 06-01 10-01 2027-02-01",
    "cron(0 9 1 1 ? 2028)": "2028-01-01",
    "cron(0 9 1 1 ? 2027,2030)": "2027-01-01 2030-01-01",
    "cron(0 9 1 1 ? 2027-2029)": "2027-01-01 2028-01-01 2029-01-01",
    "cron(0 9 1 1 ? 2026/2)": "01-01 2028-01-01 2030-01-01",
    # minute and hour
    "cron(30 9 1 1 ? 2026)": "01-01T09:30",
    "cron(0/20 9 1 1 ? 2026)": "01-01T09:00 01-01T09:20 01-01T09:40",
    "cron(50/5 9 1 1 ? 2026)": "01-01T09:50 01-01T09:55",
    "cron(0 22-2 1 1 ? 2026)": "01-01T00:00 01-01T01:00 01-01T02:00 01-01T22:00 01-01T23:00",
    "cron(0 8-18/5 1 1 ? 2026)": "01-01T08:00 01-01T13:00 01-01T18:00",
    "cron(5,10 0 1 1 ? 2026)": "01-01T00:05 01-01T00:10",
}
"""Each form that AWS documents, and its first times from the 1st of January 2026 on (at nine, if it says no other)."""


@pytest.mark.parametrize(("expression", "times"), FORMS.items(), ids=FORMS)
def test_every_documented_form_is_told_and_fired_at_its_times(expression: str, times: str) -> None:
    def whole(written: str) -> str:
        date, _, clock = written.partition("T")
        return f"{date if len(date) > 5 else f'2026-{date}'}T{clock or '09:00'}Z"

    begin = ms("2025-12-31T23:59Z")
    wanted = [ms(whole(written)) for written in times.split()]
    assert table(expression).next_times(begin, len(wanted)) == wanted
    fired = islice(Recurrence(expression, "UTC").times_after(begin / 1000), len(wanted))
    assert [round(at) * 1000 for at in fired] == wanted


day_parts = st.one_of(st.integers(1, 31).map(str), st.integers(1, 31).map("{}W".format), st.sampled_from(["L", "LW"]))
weekday_parts = st.one_of(
    st.integers(1, 7).map(str),
    st.integers(1, 7).map("{}L".format),
    st.builds("{}#{}".format, st.integers(1, 7), st.integers(1, 5)),
    st.just("L"),
)
aws_days = st.one_of(
    st.lists(day_parts, min_size=1, max_size=4).map(lambda parts: f"{','.join(parts)} * ?"),
    st.lists(weekday_parts, min_size=1, max_size=4).map(lambda parts: f"? * {','.join(parts)}"),
)


@settings(max_examples=150, deadline=None)
@given(aws_days, st.sampled_from([BERLIN, "UTC"]), instants)
def test_any_list_of_awss_own_days_is_told_as_it_is_fired(days: str, zone: str, after: datetime) -> None:
    expression = f"cron(30 2 {days} *)"
    told = table(expression, zone).next_times(round(after.timestamp()) * 1000, 8)
    fired = islice(Recurrence(expression, zone).times_after(float(round(after.timestamp()))), len(told))
    assert told == [round(at) * 1000 for at in fired]
    assert told


@pytest.mark.parametrize(
    "expression", ["cron(0 9 W * ? *)", "cron(0 9 32W * ? *)", "cron(0 9 1-5W * ? *)", "cron(0 9 *W * ? *)"]
)
def test_a_w_without_a_day_is_refused_by_both(expression: str) -> None:
    with pytest.raises(InvalidExpression, match="day of month"):
        parse_cron(expression)
    with pytest.raises(UnsupportedExpression):
        Recurrence(expression, "UTC").check()


# -- clocks change


def test_a_time_that_the_clocks_skip_is_skipped() -> None:
    assert upcoming("30 2 * * *", BERLIN, "2026-03-28T00:00Z", 3) == [
        "2026-03-28T02:30:00+01:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]
    assert upcoming("30 2 * * *", NEW_YORK, "2026-03-07T12:00Z", 1) == ["2026-03-09T02:30:00-04:00"]


def test_a_time_that_the_clocks_show_twice_counts_once_the_first() -> None:
    assert upcoming("30 2 * * *", BERLIN, "2026-10-24T12:00Z", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]
    assert upcoming("30 1 * * *", NEW_YORK, "2026-10-31T12:00Z", 2) == [
        "2026-11-01T01:30:00-04:00",
        "2026-11-02T01:30:00-05:00",
    ]


def test_in_the_repeated_hour_nothing_is_due_again() -> None:
    assert upcoming("*/30 * * * *", BERLIN, "2026-10-25T00:10Z", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_nine_is_nine_before_and_after_the_change() -> None:
    assert upcoming("0 9 * * *", NEW_YORK, "2026-03-07T00:00Z", 3) == [
        "2026-03-07T09:00:00-05:00",
        "2026-03-08T09:00:00-04:00",
        "2026-03-09T09:00:00-04:00",
    ]


def test_a_rate_does_not_care_for_clocks() -> None:
    day = Timetable(parse_rate("1 day"), parse_zone(BERLIN), ms("2026-03-28T12:00+01:00"), None)
    times = [datetime.fromtimestamp(at / 1000, ZoneInfo(BERLIN)).isoformat() for at in day.next_times(0, 2)]
    assert times == ["2026-03-28T12:00:00+01:00", "2026-03-29T13:00:00+02:00"]


# -- calendars, starts and ends


def test_leap_days() -> None:
    assert upcoming("0 0 29 2 *", "UTC", "2096-03-01T00:00Z", 2) == [
        "2104-02-29T00:00:00+00:00",
        "2108-02-29T00:00:00+00:00",
    ]


def test_nothing_before_its_start_or_from_its_end_on() -> None:
    bounds = {"start": "2026-02-03T09:00Z", "end": "2026-02-05T09:00Z"}
    assert upcoming("0 9 * * *", "UTC", "2026-01-01T00:00Z", 9, **bounds) == [
        "2026-02-03T09:00:00+00:00",
        "2026-02-04T09:00:00+00:00",
    ]


def test_a_rate_counts_from_its_start() -> None:
    rate = Timetable(parse_rate("7 minutes"), parse_zone("UTC"), ms("2026-02-01T10:03Z"), ms("2026-02-01T10:20Z"))
    assert rate.next_times(0, 9) == [ms("2026-02-01T10:03Z"), ms("2026-02-01T10:10Z"), ms("2026-02-01T10:17Z")]
    assert rate.next_times(ms("2026-02-01T10:03Z"), 1) == [ms("2026-02-01T10:10Z")]


@pytest.mark.parametrize("cron", ["* * * * *", "0 9 * * MON", "0 0 29 2 *", "30 2 29 3 *"])
def test_the_latest_is_the_last_that_is_not_later(cron: str) -> None:
    times = table(cron, BERLIN)
    for at in times.next_times(ms("2024-01-01T00:00Z"), 3):
        assert times.latest_time(at, since=0) == at
        assert times.latest_time(at + 30_000, since=at - 1) == at
        assert times.latest_time(at, since=at) is None
    assert times.latest_time(ms("1960-01-01T00:00Z"), since=0) is None


# -- as EventBridge Scheduler gets it


@pytest.mark.parametrize(
    ("cron", "expression"),
    [
        ("0 9 * * MON-FRI", "cron(0 9 ? * MON,TUE,WED,THU,FRI *)"),
        ("*/5 * * * *", "cron(0,5,10,15,20,25,30,35,40,45,50,55 * * * ? *)"),
        ("0 0 1-3,5 jan,7 *", "cron(0 0 1-3,5 1,7 ? *)"),
        ("0 9 * * 0", "cron(0 9 ? * SUN *)"),
        ("0 9 * * 7", "cron(0 9 ? * SUN *)"),
        ("0 9 * * 5-7", "cron(0 9 ? * SUN,FRI,SAT *)"),
        ("0 9 * * 0-7", "cron(0 9 * * ? *)"),
        ("0 22-2 * * *", "cron(0 0-2,22,23 * * ? *)"),
        ("  0  9 * * * ", "cron(0 9 * * ? *)"),
        ("cron(0 9 ? * mon#1 *)", "cron(0 9 ? * MON#1 *)"),
    ],
)
def test_five_fields_become_awss_six(cron: str, expression: str) -> None:
    assert parse_cron(cron).expression == expression
    assert table(parse_cron(cron).expression).next_times(0, 9) == table(cron).next_times(0, 9)


@pytest.mark.parametrize(
    ("written", "expression", "minutes"),
    [
        ("5 minutes", "rate(5 minutes)", 5),
        ("1 minutes", "rate(1 minute)", 1),
        ("rate(2 Hours)", "rate(2 hours)", 120),
        ("1 day", "rate(1 day)", 1440),
    ],
)
def test_rates(written: str, expression: str, minutes: int) -> None:
    rate = parse_rate(written)
    assert (rate.expression, rate.period_ms) == (expression, minutes * MINUTE)


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        ("61 * * * *", "minute: 61 is not from 0 to 59"),
        ("* 24 * * *", "hour: 24"),
        ("* * 0 * *", "day of month: 0"),
        ("* * * 13 *", "month: 13"),
        ("* * * FOO *", "month: 'FOO' is no number or name"),
        ("* * * * 8", "day of week: 8"),
        ("*/0 * * * *", "minute: '\\*/0' has no step"),
        ("1-x * * * *", "minute: 'X' is no number"),
        (", * * * *", "minute: '' is no number"),
        ("* * * *", "must have five fields.*4"),
        ("0 0 9 * * MON", "must have five fields.*6"),
        ("@daily", "must have five fields"),
        ("0 9 1 * MON", "make two schedules"),
        ("cron(0 9 * * * *)", "exactly one must be \\?"),
        ("cron(0 9 * * MON)", "six fields"),
        ("cron(0 9 ? * MON#6 *)", "1st to 5th"),
        ("cron(0 9 ? * MON 1969)", "year: 1969"),
        ("٣ * * * *", "minute: '٣' is no number"),
    ],
)
def test_bad_cron_says_which_field_and_why(cron: str, why: str) -> None:
    with pytest.raises(InvalidExpression, match=why):
        parse_cron(cron)


@pytest.mark.parametrize(
    "rate", ["5", "minutes", "0 minutes", "5 weeks", "-1 days", "rate(5 minutes", "400 days", "5 minutes)"]
)
def test_bad_rates(rate: str) -> None:
    with pytest.raises(InvalidExpression):
        parse_rate(rate)


@pytest.mark.parametrize("zone", ["", "Nowhere/Land", "../etc/passwd", "posix/Europe/Berlin", "localtime", "a" * 300])
def test_bad_zones(zone: str) -> None:
    with pytest.raises(InvalidExpression, match="IANA"):
        parse_zone(zone)


def test_a_time_that_never_comes_ends_the_search() -> None:
    assert table("0 0 30 2 *").next_times(ms("2026-01-01T00:00Z"), 1) == []
