"""No key is shared by all tasks: the busiest one's share, from the real key functions."""

from __future__ import annotations

from functions.core.workflows.tallies import FAN_IN
from tests.model.hot_keys import SLOTS, Share, shares

IDS = 40_000
FOUND = {share.what: share for share in shares(ids=IDS, shards=(8,))}


def one(beginning: str) -> Share:
    (found,) = [share for what, share in FOUND.items() if what.startswith(beginning)]
    return found


def test_model_ids_are_distinct() -> None:
    assert one("a task's partition key").keys == IDS


def test_model_tasks_are_spread_over_the_table_by_hashed_and_by_time_ordered_ids() -> None:
    spread = one(f"one of {SLOTS} equal parts of the table, single tasks")
    assert spread.keys == SLOTS
    assert spread.over_even < 1.2


def test_model_listing_shards_of_a_tenant_are_even() -> None:
    spread = one("listing and dead-letter shard")
    assert spread.keys == 8
    assert spread.over_even < 1.05


def test_model_no_tally_has_more_than_its_share() -> None:
    assert one("tally").busiest == FAN_IN
