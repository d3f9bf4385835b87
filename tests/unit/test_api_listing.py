"""What a list can be asked, and cursors."""

from __future__ import annotations

import pytest

from functions.api.tasks.listing import Query, cursor, filter_digest, position, read
from functions.core.errors import InvalidRequest
from functions.core.states import State

AFTER = "1770000000000#01kge3h900nxwjw3yyr4p0tse3"


def refused(**parameters: str) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        read(parameters, "t")
    return [error.field for error in raised.value.errors]


def test_everything_may_be_left_out_or_empty() -> None:
    assert read({}, "t") == Query(None, None, 20, None)
    assert read({"state": "", "type": "", "limit": "", "cursor": ""}, "t") == Query(None, None, 20, None)


def test_everything_may_be_given() -> None:
    query = Query(State.DEAD, "email", 7, None)
    given = {"state": "DEAD", "type": "email", "limit": "7", "cursor": cursor(AFTER, filter_digest("t", query))}
    assert read(given, "t") == Query(State.DEAD, "email", 7, AFTER)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "1e1", "٣", " 5", "99999999999999999999"])
def test_a_limit_is_from_1_to_100(limit: str) -> None:
    assert refused(limit=limit) == ["limit"]


def test_each_parameter_at_fault_is_named() -> None:
    assert refused(state="ready", limit="0", sort="asc", cursor="zzz") == ["sort", "state", "limit", "cursor"]


@pytest.mark.parametrize(
    "written", ["x", "ä", "\ud800", "====", cursor("", ""), cursor("x#y", "z"), cursor(AFTER + "\n", "z"), "a" * 5000]
)
def test_what_is_no_cursor_is_refused(written: str) -> None:
    assert refused(cursor=written) == ["cursor"]


def test_a_cursor_belongs_to_its_filter_and_tenant() -> None:
    given = cursor(AFTER, filter_digest("t", Query(State.DEAD, None, 20, None)))
    assert read({"state": "DEAD", "cursor": given, "limit": "3"}, "t").after == AFTER
    assert refused(cursor=given) == ["cursor"]
    assert refused(cursor=given, state="FAILED") == ["cursor"]
    with pytest.raises(InvalidRequest):
        read({"state": "DEAD", "cursor": given}, "another")


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert position(cursor(AFTER, "abc")) == (AFTER, "abc")
