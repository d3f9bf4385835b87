"""What a list can be asked, and cursors."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api.paging import list_cursor, list_position
from functions.api.request import ApiRequest
from functions.api.tasks.listing import TaskQuery, filter_digest, task_query
from functions.api.tasks.routes import ROUTES
from functions.core.errors import InvalidRequest
from functions.core.states import State

AFTER = "1770000000000#01kge3h900nxwjw3yyr4p0tse3"


def read(parameters: dict[str, str], tenant: str) -> TaskQuery:
    (route,) = (route for route in ROUTES if route.name == "listTasks")
    services: Any = None
    return task_query(ApiRequest(route, {"queryStringParameters": parameters}, services, "r").query, tenant)


def refused(**parameters: str) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        read(parameters, "t")
    return [error.field for error in raised.value.errors]


def test_everything_may_be_left_out_or_empty() -> None:
    assert read({}, "t") == TaskQuery(None, None, 20, None)
    assert read({"state": "", "type": "", "limit": "", "cursor": ""}, "t") == TaskQuery(None, None, 20, None)


def test_everything_may_be_given() -> None:
    query = TaskQuery(State.DEAD, "email", 7, None)
    given = {"state": "DEAD", "type": "email", "limit": "7", "cursor": list_cursor(AFTER, filter_digest("t", query))}
    assert read(given, "t") == TaskQuery(State.DEAD, "email", 7, AFTER)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "ten", "1e1", "٣", " 5", "99999999999999999999"])
def test_a_limit_is_from_1_to_100(limit: str) -> None:
    assert refused(limit=limit) == ["limit"]


def test_each_parameter_at_fault_is_named() -> None:
    assert refused(state="ready", limit="0", sort="asc", cursor="zzz") == ["sort", "state", "limit", "cursor"]


@pytest.mark.parametrize(
    "written",
    [
        "x",
        "ä",
        "\ud800",
        "====",
        list_cursor("", ""),
        list_cursor("x#y", "z"),
        list_cursor(AFTER + "\n", "z"),
        "a" * 5000,
    ],
)
def test_what_is_no_cursor_is_refused(written: str) -> None:
    assert refused(cursor=written) == ["cursor"]


def test_a_cursor_belongs_to_its_filter_and_tenant() -> None:
    given = list_cursor(AFTER, filter_digest("t", TaskQuery(State.DEAD, None, 20, None)))
    assert read({"state": "DEAD", "cursor": given, "limit": "3"}, "t").after == AFTER
    assert refused(cursor=given) == ["cursor"]
    assert refused(cursor=given, state="FAILED") == ["cursor"]
    with pytest.raises(InvalidRequest):
        read({"state": "DEAD", "cursor": given}, "another")


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert list_position(list_cursor(AFTER, "abc")) == (AFTER, "abc")
