"""Pools and lanes: which lane a priority and a type lead to, and what task-types.json says of pools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from taskyard.tasks import task

from functions.core.pools import (
    BANDS,
    DEFAULT,
    DEFAULT_POOL,
    Pool,
    Routing,
    band_of,
    lane_names,
    lane_of,
    pool_name_fault,
)
from functions.core.task_types import RegisteredType, Registry
from functions.runtime.environment import parse_lanes

IMAGES = Pool("images", ("images",), 600, False)
REPORTS = Pool("reports", ("reports-high", "reports-normal", "reports-low"), 900, True)


def registered(name: str, pool: Pool) -> RegisteredType:
    @task(name, f"{name}-alias")
    def handler(ctx: Any, payload: Any) -> None: ...

    return RegisteredType.of(handler.__task_type__, module="m", attribute=name, pool=pool)  # type: ignore[attr-defined]


def registry() -> Registry:
    return Registry.of([registered("MAIL", DEFAULT), registered("RESIZE", IMAGES), registered("REPORT", REPORTS)])


def routing(lanes: tuple[str, ...] = (*BANDS, *IMAGES.lanes, *REPORTS.lanes)) -> Routing:
    return Routing(lanes, registry)


def test_band_of_each_priority() -> None:
    assert [band_of(priority) for priority in range(10)] == ["low"] * 3 + ["normal"] * 4 + ["high"] * 3


@pytest.mark.parametrize(
    ("pool", "lanes"),
    [
        (DEFAULT, ["low", "normal", "high"]),
        (IMAGES, ["images", "images", "images"]),
        (REPORTS, ["reports-low", "reports-normal", "reports-high"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_lane_of_pool_and_priority(pool: Pool, lanes: list[str]) -> None:
    assert [lane_of(pool, priority) for priority in (1, 5, 8)] == lanes


def test_lane_names_are_the_lanes_that_pools_have() -> None:
    assert lane_names(DEFAULT_POOL) == DEFAULT.lanes
    assert lane_names("images") == IMAGES.lanes
    assert lane_names("reports", by_priority=True) == REPORTS.lanes


@pytest.mark.parametrize(
    ("name", "is_possible"),
    [
        ("images", True),
        ("a", True),
        ("a" + "b" * 30, True),
        ("a" + "b" * 31, False),
        ("Images", False),
        ("1st", False),
        ("a_b", False),
        ("", False),
        ("images\n", False),
        ("default", False),
        ("high", False),
        ("normal", False),
        ("low", False),
    ],
)
def test_name_of_pool(name: str, is_possible: bool) -> None:
    assert (pool_name_fault(name) is None) is is_possible


@pytest.mark.parametrize(
    ("type_", "priority", "lane"),
    [
        ("MAIL", 8, "high"),
        ("RESIZE", 8, "images"),
        ("RESIZE-alias", 0, "images"),
        ("REPORT", 8, "reports-high"),
        ("GONE", 5, "normal"),
    ],
)
def test_routing_leads_to_lane_of_types_pool(type_: str, priority: int, lane: str) -> None:
    assert routing().lane_of(type_, priority) == lane


def test_routing_without_other_pools_reads_no_task_types() -> None:
    def unread() -> Registry:
        raise AssertionError("task types were read")

    plain = Routing(BANDS, unread)
    assert plain.lane_of("MAIL", 8) == "high"
    assert plain.runs_in("MAIL", "low")
    assert plain.runs_in("", "low")
    assert plain.longest_timeout(60) == 60


@pytest.mark.parametrize(
    ("type_", "lane", "runs"),
    [
        ("MAIL", "low", True),
        ("MAIL", "images", False),
        ("RESIZE", "images", True),
        ("RESIZE", "normal", False),
        ("REPORT", "reports-low", True),
        ("GONE", "normal", True),
        ("GONE", "images", False),
        ("", "normal", False),
    ],
)
def test_type_runs_in_the_lanes_of_its_pool_only(type_: str, lane: str, runs: bool) -> None:
    assert routing().runs_in(type_, lane) is runs


def test_longest_timeout_is_of_any_pool() -> None:
    assert routing().longest_timeout(60) == 900
    assert routing().longest_timeout(901) == 901


def test_registry_as_json_holds_pools_and_the_pool_of_each_type() -> None:
    document = json.loads(registry().to_json())
    assert document["pools"]["images"] == {"lanes": ["images"], "timeoutSeconds": 600, "sharesBase": False}
    assert document["pools"]["default"] == {"lanes": list(BANDS), "timeoutSeconds": 60, "sharesBase": True}
    assert {entry["name"]: entry["pool"] for entry in document["task_types"]} == {
        "MAIL": "default",
        "REPORT": "reports",
        "RESIZE": "images",
    }
    read = Registry.from_json(registry().to_json())
    assert read.pools == registry().pools
    assert read.to_json() == registry().to_json()


def test_pool_with_two_lanes_is_refused() -> None:
    with pytest.raises(ValueError, match="pool 'images' has 2 lanes"):
        Pool.from_json("images", {"lanes": ["a", "b"], "timeoutSeconds": 60, "sharesBase": True})


def test_lanes_variable_gives_url_and_arns_of_each_lane() -> None:
    text = json.dumps({"url": "https://sqs/1/", "arn": "arn:sqs:1:", "queues": {"images": ["q", "d"]}})
    assert parse_lanes(text)["images"] == ("https://sqs/1/q", "arn:sqs:1:q", "arn:sqs:1:d")
