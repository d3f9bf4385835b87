"""DynamoDB's capacity units: what items weigh, and what a write costs, index entries included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Attributes = Mapping[str, Mapping[str, Any]]


def value_bytes(value: Mapping[str, Any]) -> int:
    """The size of one attribute value, by the rules of the DynamoDB developer guide, "Item sizes and formats"."""
    kind, content = next(iter(value.items()))
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            digits = str(content).replace("-", "").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1 + str(content).startswith("-")
        case "B":
            return len(content) * 3 // 4 if isinstance(content, str) else len(content)
        case "BOOL" | "NULL":
            return 1
        case "M":
            return 3 + sum(len(k.encode()) + value_bytes(v) + 1 for k, v in content.items())
        case "L":
            return 3 + sum(value_bytes(v) + 1 for v in content)
        case _:  # SS, NS, BS
            return sum(value_bytes({kind[0]: member}) for member in content)


def item_bytes(item: Attributes | None) -> int:
    return sum(len(name.encode()) + value_bytes(value) for name, value in (item or {}).items())


@dataclass(frozen=True)
class SecondaryIndex:
    """A global secondary index: its key attributes, and what it projects (None: everything)."""

    keys: tuple[str, ...]
    projected: frozenset[str] | None

    def entry(self, item: Attributes | None) -> dict[str, Any] | None:
        """What the index holds of an item; None when it lacks a key attribute."""
        if not item or any(key not in item for key in self.keys):
            return None
        return {name: value for name, value in item.items() if self.projected is None or name in self.projected}


def write_units(old: Attributes | None, new: Attributes | None, indexes: tuple[SecondaryIndex, ...] = ()) -> int:
    """Write request units of one write: the larger of both items in KB, at least 1; for each index whose entry changes
    the larger of both entries, twice when its key changes (one delete, one put)."""
    units = max(1, math.ceil(max(item_bytes(old), item_bytes(new)) / 1024))
    for index in indexes:
        before, after = index.entry(old), index.entry(new)
        if before == after:
            continue
        if before and after and any(before[key] != after[key] for key in index.keys):
            units += _kilobytes(before) + _kilobytes(after)
        else:
            units += max(_kilobytes(before), _kilobytes(after))
    return units


def _kilobytes(item: Attributes | None) -> int:
    return max(1, math.ceil(item_bytes(item) / 1024)) if item else 0
