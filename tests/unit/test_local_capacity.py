from __future__ import annotations

from typing import Any

import pytest

from local.aws.capacity import SecondaryIndex, item_bytes, write_units
from local.usage import Usage

KEYS = {"pk": {"S": "a"}, "sk": {"S": "b"}}
INDEX = SecondaryIndex(("g",), frozenset({"pk", "sk", "g"}))


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"name": {"S": "héllo"}}, 4 + 6),
        ({"n": {"N": "1234"}}, 1 + 3),
        ({"n": {"N": "-1"}}, 1 + 3),
        ({"b": {"BOOL": True}}, 2),
        ({"m": {"M": {"k": {"S": "v"}}}}, 1 + 3 + 1 + 1 + 1),
        ({"l": {"L": [{"S": "ab"}]}}, 1 + 3 + 2 + 1),
        ({"s": {"SS": ["ab", "c"]}}, 1 + 3),
    ],
)
def test_the_size_of_an_item(item: dict[str, Any], size: int) -> None:
    assert item_bytes(item) == size


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        (None, KEYS, 1),
        (None, {**KEYS, "x": {"S": "x" * 1024}}, 2),
        ({**KEYS, "x": {"S": "x" * 3000}}, KEYS, 3),
        (KEYS, None, 1),
        (None, {**KEYS, "g": {"S": "1"}}, 2),
        ({**KEYS, "g": {"S": "1"}}, {**KEYS, "g": {"S": "1"}, "x": {"S": "y"}}, 1),
        ({**KEYS, "g": {"S": "1"}}, {**KEYS, "g": {"S": "2"}}, 3),
        ({**KEYS, "g": {"S": "1"}}, None, 2),
    ],
)
def test_write_units(old: Any, new: Any, units: int) -> None:
    assert write_units(old, new, (INDEX,)) == units


def test_read_units_are_halved_for_eventual_consistency() -> None:
    ledger = Usage()
    ledger.read("a", 5000, consistent=True)
    ledger.read("b", 5000, consistent=False)
    assert (ledger.read_units["a"], ledger.read_units["b"]) == (2.0, 1.0)
