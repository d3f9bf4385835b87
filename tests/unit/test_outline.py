"""What the log has of an event that could not be read: its shape, and none of its values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.core.outline import MAX_LENGTH, outline


@pytest.mark.parametrize(
    ("event", "shape"),
    [
        ({"submit": {"type": "NOTE"}, "n": 7}, '{"submit": {"type": text of 4}, "n": number}'),
        ('{"a": null, "b": [true, 1.5]}', '{"a": null, "b": list of 2: boolean}'),
        ("plain text", "text of 10 characters, not JSON"),
        ("", "text of 0 characters, not JSON"),
        ("[" * 100_000, "text of 100000 characters, not JSON"),
        ('"text as JSON"', "text of 12"),
        ([], "list of 0"),
        (None, "null"),
        (float("inf"), "number"),
        (object(), "object"),
        ({"a": {"b": {"c": {"d": {"e": 1}}}}}, '{"a": {"b": {"c": {"d": object of 1}}}}'),
        ({"a\nb": 1}, '{"a\\nb": number}'),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_outline_has_names_and_types(event: Any, shape: str) -> None:
    assert outline(event) == shape


@pytest.mark.parametrize("make", [json.dumps, lambda event: event], ids=["text", "value"])
def test_outline_of_a_large_event_is_short_and_has_no_value(make: Any) -> None:
    event = {f"name-{at}" * 9: ["plant-4711"] for at in range(1_000)}
    assert len(outline(make(event))) <= MAX_LENGTH
    assert "plant" not in outline(make(event))
