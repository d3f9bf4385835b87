"""Audit records: what is cut, and that one always fits in a write unit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from functions.core.audit import FIELDS_LIMIT, TEXT_LIMITS, Action, AuditRecord, cut_in_the_middle, first_fitting
from functions.store.audit import item_from_record, record_from_item
from local.aws.capacity import item_bytes

UUID = "0" * 36
FULL = AuditRecord(
    at=1_770_000_000_000,
    request_id=UUID,
    tenant="acme",
    principal="ann@example.com (42)",
    principal_tenant="support",
    named_tenant="other",
    action=Action.TASKS_CANCEL,
    operation="cancelTasks",
    id="01kge3h900nxwjw3yyr4p0tse3",
    source_ip="203.0.113.7",
    user_agent="curl/8.7.1",
    status=409,
    problem="not-allowed-in-state",
    fields=("runAt", "priority"),
    counts={"matched": 2, "cancelled": 1},
    dry_run=True,
    by_operator=True,
    trace_id="1-698010c0-5f1d7c0f2b8e4a6d9c3b1a20",
    cut=("user_agent",),
)


def record(**changed: Any) -> AuditRecord:
    return AuditRecord(**(asdict(FULL) | {"cut": ()} | changed))


def test_record_within_its_limits_stays_as_it_is() -> None:
    assert record().within_limits() == record()


@pytest.mark.parametrize("name", sorted(TEXT_LIMITS))
@pytest.mark.parametrize("character", ["a", "ä", "漢", "😀"])
def test_text_above_its_limit_is_cut_and_named(name: str, character: str) -> None:
    limit = TEXT_LIMITS[name]
    cut = record(**{name: "<" + character * limit + ">"}).within_limits()
    text = getattr(cut, name)
    assert cut.cut == (name,)
    assert limit - 8 <= len(text.encode()) <= limit
    assert (text[0], text[-1]) == ("<", ">")


@pytest.mark.parametrize("name", sorted(TEXT_LIMITS))
def test_text_at_its_limit_is_complete(name: str) -> None:
    text = "a" * TEXT_LIMITS[name]
    assert getattr(record(**{name: text}).within_limits(), name) == text
    assert record(**{name: text}).within_limits().cut == ()


@pytest.mark.parametrize("character", ["\x1b", "\n", "\ud800", "\x00"])
def test_text_without_control_characters_and_half_characters(character: str) -> None:
    assert record(user_agent=f"a{character}b").within_limits().user_agent == "a b"


def test_fields_above_their_limit_are_left_out_and_named() -> None:
    names = tuple(f"field{at:05d}" for at in range(100))
    cut = record(fields=names).within_limits()
    assert cut.fields == names[: FIELDS_LIMIT // 11]
    assert cut.cut == ("fields",)


def test_first_fitting_counts_a_separator_each() -> None:
    assert first_fitting(["abc", "de", "f"], 7) == ("abc", "de")
    assert first_fitting(["abc", "de", "f"], 6) == ("abc",)


def test_cut_in_the_middle_keeps_both_ends() -> None:
    assert cut_in_the_middle("0123456789", 9) == "012…789"


def test_record_is_the_same_after_it_was_stored() -> None:
    assert record_from_item(item_from_record(FULL, 60)) == FULL


def test_record_with_the_least_is_the_same_after_it_was_stored() -> None:
    least = AuditRecord(
        at=1,
        request_id="r",
        tenant="a#b",
        principal="ann",
        action="task.cancel",
        operation="cancelTask",
        status=204,
    )
    assert record_from_item(item_from_record(least, 60)) == least


def test_record_expires_after_its_retention() -> None:
    assert item_from_record(record(at=5_999), 60)["expiresAt"] == {"N": "65"}


LONG: dict[str, Any] = {
    "tenant": "1" * 12 + "/role/" + "r" * 64,
    "action": max(Action, key=len),
    "operation": "o" * 24,
    "problem": "p" * 40,
    "fields": tuple(f"f{at}" for at in range(200)),
    **dict.fromkeys(TEXT_LIMITS, "x" * 5_000),
}


@pytest.mark.parametrize(
    "changed",
    [
        {"named_tenant": None, "counts": {}, "dry_run": False},
        {"principal_tenant": None, "counts": {}, "dry_run": False},
        {"named_tenant": None, "id": None, "counts": {"matched": 10_000, "cancelled": 10_000, "refused": 10_000}},
    ],
    ids=["one resource, another tenant", "one resource, refused tenant", "many"],
)
def test_longest_record_fits_in_one_write_unit(changed: dict[str, Any]) -> None:
    """A record has one of the two tenants, and either an id or counts."""
    item = item_from_record(record(**LONG | changed).within_limits(), 400 * 86_400)
    assert item_bytes(item) <= 1024


def test_record_has_no_entry_in_an_index_and_no_key_that_the_observer_reads() -> None:
    item = item_from_record(FULL, 60)
    assert not {"listPk", "listSk", "deadPk", "deadSk"} & item.keys()
    assert item["sk"]["S"][0].isdigit()
