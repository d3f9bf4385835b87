"""When a request is sent again: stated as properties of the pure decision."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskyard.operations.polling import polling_pauses
from taskyard.transport.retries import RETRIED_STATUSES, Backoff, pause_before_retry, retry_after_seconds

NOW = datetime(2026, 2, 1, 10, tzinfo=UTC)

backoffs = st.builds(
    Backoff, tries=st.integers(1, 2000), base=st.floats(0.001, 10), cap=st.floats(0.001, 100),
    longest_retry_after=st.floats(0, 600),
)  # fmt: skip
draws = st.floats(0, 1, exclude_max=True)
retried = st.one_of(st.none(), st.sampled_from(sorted(RETRIED_STATUSES)))


@given(backoffs, st.integers(1, 3000), retried, st.one_of(st.none(), st.floats(0, 1000)), draws)
def test_retries_end_after_the_last_attempt(
    backoff: Backoff, tried: int, status: int | None, after: float | None, draw: float
) -> None:
    if tried >= backoff.tries:
        assert pause_before_retry(backoff, tried, status, after, draw) is None


@given(backoffs, st.integers(1, 3000), st.integers(100, 599).filter(lambda s: s not in RETRIED_STATUSES), draws)
def test_refusal_is_not_retried(backoff: Backoff, tried: int, status: int, draw: float) -> None:
    assert pause_before_retry(backoff, tried, status, 1.0, draw) is None


@given(backoffs, st.integers(1, 3000), retried, draws)
def test_pause_is_at_most_the_cap_and_the_doubled_base(
    backoff: Backoff, tried: int, status: int | None, draw: float
) -> None:
    pause = pause_before_retry(backoff, tried, status, None, draw)
    if pause is not None:
        assert 0 <= pause <= backoff.cap
        assert pause <= backoff.base * 2.0 ** min(tried - 1, 60)


@given(backoffs, st.integers(1, 3000), retried, st.floats(0, 1000), draws)
def test_retry_after_is_waited_for_unless_it_is_too_long(
    backoff: Backoff, tried: int, status: int | None, after: float, draw: float
) -> None:
    pause = pause_before_retry(backoff, tried, status, after, draw)
    if pause is not None:
        assert after <= backoff.longest_retry_after
        assert after <= pause <= after + backoff.cap


@given(backoffs.filter(lambda b: b.tries > 1), retried, draws, draws)
def test_pause_is_the_drawn_part_of_its_maximum(backoff: Backoff, status: int | None, one: float, two: float) -> None:
    low, high = sorted((one, two))
    pauses = [pause_before_retry(backoff, 1, status, None, draw) for draw in (0.0, low, high)]
    assert pauses[0] == 0
    assert pauses[1] <= pauses[2]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 120 ", 120.0),
        ("soon", None),
        ("-1", None),
        ("²", None),
        ("9" * 5000, float("inf")),
        ("Sun, 01 Feb 2026 10:00:00 +99999999999999999999", None),
        ("Sun, 01 Feb 2026 10:00:00 -9999", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        (format_datetime(NOW + timedelta(seconds=7), usegmt=True), 7.0),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0.0),
    ],
)
def test_retry_after_header_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


def test_pauses_of_a_wait_grow_to_five_seconds() -> None:
    pauses = list(islice(polling_pauses(), 30))
    assert pauses[0] == 0.1
    assert all(one <= two for one, two in pairwise(pauses))
    assert pauses[-1] == 5.0


def test_backoff_is_imported_from_its_public_place() -> None:
    from taskyard.retrying import Backoff as PublicBackoff

    assert PublicBackoff is Backoff
