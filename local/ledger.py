"""What the system did: AWS calls and capacity units by function, invocations. For tests and the bench."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Invocation:
    """One finished invocation. `error` is None, or the runtime's error as JSON text."""

    function: str
    request_id: str
    started: float
    seconds: float
    error: str | None


@dataclass
class Ledger:
    """`calls` is keyed by (caller, service, operation): the caller is a function's name, `<name>/poller` for its event
    source (empty receives are not counted: they are shared by all there is), `scheduler`, `ttl` or `admin`.
    `write_units` and `read_units` by caller are DynamoDB's on-demand units, index writes included."""

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    write_units: Counter[str] = field(default_factory=Counter)
    read_units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    invocations: deque[Invocation] = field(default_factory=lambda: deque(maxlen=10_000))

    def count(self, caller: str, service: str, operation: str) -> None:
        self.calls[caller, service, operation] += 1

    def read(self, caller: str, size: int, consistent: bool) -> None:
        """Count one read of `size` bytes: 4 KB a unit, half for an eventually consistent one."""
        self.read_units[caller] += max(1, math.ceil(size / 4096)) * (1.0 if consistent else 0.5)

    def reset(self) -> None:
        self.calls.clear()
        self.write_units.clear()
        self.read_units.clear()
        self.invocations.clear()


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
class Index:
    """A global secondary index: its key attributes, and what it projects (None: everything)."""

    keys: tuple[str, ...]
    projected: frozenset[str] | None

    def entry(self, item: Attributes | None) -> dict[str, Any] | None:
        """What the index holds of an item; None when it lacks a key attribute."""
        if not item or any(key not in item for key in self.keys):
            return None
        return {name: value for name, value in item.items() if self.projected is None or name in self.projected}


def write_units(old: Attributes | None, new: Attributes | None, indexes: tuple[Index, ...] = ()) -> int:
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
