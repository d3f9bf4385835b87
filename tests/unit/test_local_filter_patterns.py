from __future__ import annotations

from typing import Any

import pytest

from local.event_sources.filter_patterns import PatternError, matches

EVENT = {
    "eventName": "MODIFY",
    "n": 7,
    "flag": True,
    "tags": ["a", "b"],
    "none": None,
    "dynamodb": {"Keys": {"sk": {"S": "TASK"}}},
}


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"eventName": ["INSERT", "MODIFY"]},
        {"dynamodb": {"Keys": {"sk": {"S": ["TASK"]}}}},
        {"eventName": [{"prefix": "MOD"}]},
        {"eventName": [{"suffix": "IFY"}]},
        {"eventName": [{"equals-ignore-case": "modify"}]},
        {"eventName": [{"anything-but": ["REMOVE"]}]},
        {"eventName": [{"anything-but": {"prefix": "RE"}}]},
        {"eventName": [{"exists": True}]},
        {"missing": [{"exists": False}]},
        {"dynamodb": {"missing": {"deep": [{"exists": False}]}}},
        {"n": [{"numeric": [">", 5, "<=", 7]}]},
        {"n": [7.0]},
        {"flag": [True]},
        {"none": [None]},
        {"tags": ["b"]},
        {"$or": [{"eventName": ["INSERT"]}, {"n": [7]}]},
    ],
)
def test_what_fits(pattern: dict[str, Any]) -> None:
    assert matches(pattern, EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"eventName": ["REMOVE"]},
        {"eventName": [{"anything-but": "MODIFY"}]},
        {"missing": [None]},
        {"missing": [{"anything-but": "x"}]},
        {"n": [{"numeric": ["<", 7]}]},
        {"n": ["7"]},
        {"flag": [1]},
        {"tags": ["c"]},
        {"dynamodb": {"Keys": {"sk": {"S": ["EDGE"]}}}},
    ],
)
def test_what_does_not(pattern: dict[str, Any]) -> None:
    assert not matches(pattern, EVENT)


@pytest.mark.parametrize("pattern", [{"eventName": [{"cidr": "10.0.0.0/8"}]}, {"eventName": "MODIFY"}])
def test_what_is_not_known_is_an_error(pattern: dict[str, Any]) -> None:
    with pytest.raises(PatternError):
        matches(pattern, EVENT)
