"""No key is shared by all tasks: the busiest one's share, from the real key functions."""

from __future__ import annotations

from functions.core.workflows.dag import FAN_IN
from tests.model.hot_keys import SLOTS, Share, shares

IDS = 40_000
FOUND = {share.what: share for share in shares(ids=IDS, shards=(8,))}


def one(beginning: str) -> Share:
    (found,) = [share for what, share in FOUND.items() if what.startswith(beginning)]
    return found


def test_no_two_ids_are_one() -> None:
    assert one("a task's partition key").keys == IDS


def test_tasks_spread_over_the_table_whether_their_ids_are_hashes_or_times() -> None:
    spread = one(f"one of {SLOTS} equal parts of the table, single tasks")
    assert spread.keys == SLOTS
    assert spread.over_even < 1.2


def test_a_tenants_shards_are_even() -> None:
    spread = one("listing and dead-letter shard")
    assert spread.keys == 8
    assert spread.over_even < 1.05


def test_no_tally_gathers_more_than_its_share() -> None:
    assert one("tally").busiest == FAN_IN
