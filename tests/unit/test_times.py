"""One reader of times for every door: what standards spell unambiguously is read, the rest is told what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.core.times import MAX_CHARACTERS, NO_OFFSET_MESSAGE, InvalidTime, epoch_ms, iso_time

AT = round(datetime(2027, 2, 1, 10, 0, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2027-02-01T10:00:00Z", AT),
        ("2027-02-01t10:00:00z", AT),
        ("2027-02-01 10:00:00Z", AT),
        (" 2027-02-01T10:00:00Z\n", AT),
        ("2027-02-01 10:00:00+00", AT),
        ("2027-02-01 10:00:00+0000", AT),
        ("2027-02-01 10:00:00 +0000", AT),
        ("2027-02-01 10:00:00.000000+00", AT),
        ("2027-02-01T10:00:00-00:00", AT),
        ("2027-02-01T12:00:00+02:00", AT),
        ("2027-02-01T12:00:00+02", AT),
        ("2027-02-01T04:30:00-0530", AT),
        ("2027-02-01T04:30:00\u221205:30", AT),
        ("2027-02-01 10:19:32+00:19:32", AT),
        ("2027-02-01T10:00Z", AT),
        ("2027-02-01T10Z", AT),
        ("20270201T100000Z", AT),
        ("20270201T1000Z", AT),
        ("2027-02-01T100000Z", AT),
        ("2027-032T10:00:00Z", AT),
        ("2027032T100000Z", AT),
        ("2027-W05-1T10:00:00Z", AT),
        ("2027W051T100000Z", AT),
        ("2027-02-01T10:00:00.5Z", AT + 500),
        ("2027-02-01T10:00:00,5Z", AT + 500),
        ("2027-02-01T10:00:00.0004Z", AT),
        ("2027-02-01T10:00:00.0005Z", AT + 1),
        ("2027-02-01T09:59:59.999999999Z", AT),
        ("2027-02-01T24:00:00Z", AT + 14 * HOUR),
        ("2027-02-01T24:00Z", AT + 14 * HOUR),
        ("2026-12-31T24:00:00+00:00", AT - 31 * 24 * HOUR - 10 * HOUR),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("0001-01-01T00:00:00+14:00", epoch_ms("0001-01-01T00:00:00Z") - 14 * HOUR),
        ("9999-12-31T23:59:59-14:00", epoch_ms("9999-12-31T23:59:59Z") + 14 * HOUR),
    ],
)
def test_a_time_that_standards_spell_is_read(text: str, at: int) -> None:
    assert epoch_ms(text) == at


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2027-02-01T10:00:00", NO_OFFSET_MESSAGE),
        ("2027-02-01 10:00", NO_OFFSET_MESSAGE),
        ("2027-02-01T10", NO_OFFSET_MESSAGE),
        ("2027-02-01", "time of day and its offset"),
        ("20270201", "time of day and its offset"),
        ("2027-02-01Z", "the time of day, like"),
        ("2027-02-01+02:00", "the time of day, like"),
        ("2027-02-01T10:00:00 UTC", "' UTC' is no offset"),
        ("2027-02-01T10:00:00 Europe/Berlin", "is no offset"),
        ("2027-02-01T10:00:00Z[Europe/Berlin]", "is no offset"),
        ("2027-02-01T10:00:00+2", "'+2' is no offset"),
        ("2027-02-01T10:00:00+24:00", "is no offset"),
        ("2027-02-01T10:00:00+02:60", "is no offset"),
        ("2027-02-01T25:00:00Z", "25:00:00 is no time of day"),
        ("2027-02-01T24:00:01Z", "is no time of day"),
        ("2027-02-01T10:60:00Z", "is no time of day"),
        ("2027-02-01T10:00:61Z", "is no time of day"),
        ("2027-02-30T10:00:00Z", "day is out of range"),
        ("2027-13-01T10:00:00Z", "month"),
        ("2027-366T10:00:00Z", "no such day"),
        ("2027-W53-1T10:00:00Z", "week"),
        ("2027-W05T10:00:00Z", "ISO 8601"),
        ("2027-02T10:00:00Z", "ISO 8601"),
        ("2027-2-1T10:00:00Z", "ISO 8601"),
        ("01.02.2027 10:00", "ISO 8601"),
        ("0000-01-01T00:00:00Z", "year"),
        ("\u0662\u0660\u0662\u0667-02-01T10:00:00Z", "ISO 8601"),
        ("2027-02-01x10:00:00Z", "after the date"),
        ("1801476000", "ISO 8601"),
        ("soon", "ISO 8601"),
        ("", "ISO 8601"),
        ("2027-02-01T10:00:00." + "0" * MAX_CHARACTERS + "Z", "ISO 8601"),
    ],
)
def test_a_time_that_is_none_is_told_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InvalidTime) as refused:
        epoch_ms(text)
    assert says in str(refused.value)


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS))  # noqa: DTZ001 - bounds of any zone
def test_what_python_writes_is_read_as_python_reads_it(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert epoch_ms(moment.isoformat()) == (moment - epoch) // timedelta(milliseconds=1)


@given(st.integers(0, 253_402_300_799_999))
def test_what_is_written_is_read_again(at: int) -> None:
    assert epoch_ms(iso_time(at)) == at
