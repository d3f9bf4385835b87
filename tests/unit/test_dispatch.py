from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from functions.core.dispatch import MINUTE_MS, ByQueue, ByTimer, by_queue_or_timer, timer_name
from functions.core.task import id_for_key

NOW = 1_770_000_000_000


@given(st.integers(-(10**9), 900_000))
def test_up_to_a_quarter_of_an_hour_it_waits_in_the_queue_and_is_never_early(ahead: int) -> None:
    way = by_queue_or_timer(NOW + ahead, NOW)
    assert isinstance(way, ByQueue)
    assert 0 <= way.delay_seconds <= 900
    assert ahead <= way.delay_seconds * 1000 < max(ahead, 0) + 1000


@given(st.integers(900_001, 5 * 366 * 24 * 3600 * 1000))
def test_beyond_it_a_timer_fires_a_minute_or_more_early_and_within_what_the_queue_can_wait(ahead: int) -> None:
    way = by_queue_or_timer(NOW + ahead, NOW)
    assert isinstance(way, ByTimer)
    assert way.at % MINUTE_MS == 0
    assert way.at > NOW
    assert way.at + MINUTE_MS <= NOW + ahead, "Scheduler promises the minute only"
    assert isinstance(by_queue_or_timer(NOW + ahead, way.at), ByQueue), (
        "the worker that receives it sends it on by queue"
    )


def test_the_way_of_a_due_time_does_not_change_with_when_it_is_asked() -> None:
    """`forget` finds the timer that `dispatch` made."""
    at = NOW + 30 * 24 * 3_600_000
    assert by_queue_or_timer(at, NOW) == by_queue_or_timer(at, at - 900_001)


@given(st.integers(1, 10_000), st.integers(NOW, NOW + 10**12))
def test_timer_names_are_what_aws_takes(generation: int, at: int) -> None:
    assert re.fullmatch(r"[0-9a-zA-Z\-_.]{1,64}", timer_name(id_for_key("tenant", "key"), generation, at))


def test_timer_names_tell_generations_and_minutes_apart() -> None:
    names = {timer_name("t", generation, at * MINUTE_MS) for generation in (1, 2) for at in (1, 2)}
    assert len(names) == 4
    assert timer_name("t", 1, MINUTE_MS) == timer_name("t", 1, MINUTE_MS + 59_999)
