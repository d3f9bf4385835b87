"""The usage of a tenant, as its quotas count it: `QUOTA#<tenant>` / `QUOTA` (docs/adr/0031).

`w<number>`: submits in the window of that number. `openTasks`: set by the observer. One conditional update checks the
quotas and counts the submits; it reads nothing before, since the window's number is in the attribute's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from functions.core.quotas import Allowed, Decision, SubmitQuota, Usage
from functions.store import keys
from functions.store.records import Item, number_value
from functions.store.table import ConditionFailed, Table

OPEN_TASKS = "openTasks"
REMOVED_WINDOWS = 30
"""Each write removes so many windows before the last two: what a tenant leaves that submits without long pauses."""
OUTDATED_LIMIT = 16
"""Windows from before long pauses that may stay in the item, some 20 bytes each, until they are removed by a write of
their own. With them the item stays below the kilobyte of one write unit."""


@dataclass(frozen=True)
class QuotaStore:
    table: Table

    def add_submits(self, tenant: str, quota: SubmitQuota, submits: int, *, now: int) -> Decision:
        """Counts `submits` if they fit the quota. Each call is one write unit, also when they do not. Raises
        StoreUnavailable."""
        if never := quota.impossible(submits):
            return never
        window = quota.window(now)
        current, previous = window_attribute(window), window_attribute(window - 1)
        # The window before the previous one stays: the clock of another process may be a moment behind.
        removed = ", ".join(window_attribute(window - 3 - back) for back in range(REMOVED_WINDOWS))
        values: Item = {":zero": number_value(0), ":submits": number_value(submits)}
        fits = []
        for at, (most, room) in enumerate(quota.thresholds(submits, now)):
            values |= {f":p{at}": number_value(most), f":c{at}": number_value(room)}
            fits.append(f"{at_most(previous, f':p{at}')} AND {at_most(current, f':c{at}')}")
        condition = " OR ".join(fits)
        if (threshold := quota.open_tasks_threshold(submits)) is not None:
            values[":open"] = number_value(threshold)
            condition = f"({condition}) AND {at_most(OPEN_TASKS, ':open')}"
        answer = self.table.update(
            keys.quota_key(tenant),
            f"SET {current} = if_not_exists({current}, :zero) + :submits REMOVE {removed}",
            condition=condition,
            values=values,
        )
        if isinstance(answer, ConditionFailed):
            return quota.decide(usage_in_item(answer.item or {}, window), submits, now)
        self._remove_outdated(tenant, answer.item, window)
        return Allowed()

    def set_open_tasks(self, tenant: str, count: int) -> None:
        """Raises StoreUnavailable."""
        self.table.update(
            keys.quota_key(tenant),
            f"SET {OPEN_TASKS} = :count",
            condition=f"attribute_not_exists({OPEN_TASKS}) OR {OPEN_TASKS} <> :count",
            values={":count": number_value(count)},
        )

    def _remove_outdated(self, tenant: str, item: Item, window: int) -> None:
        in_use = {window_attribute(each) for each in range(window - 2, window + 2)}
        outdated = [name for name in item if name.startswith("w") and name not in in_use]
        if len(outdated) > OUTDATED_LIMIT:
            self.table.update(
                keys.quota_key(tenant),
                f"REMOVE {', '.join(outdated)}",
                condition="attribute_exists(pk)",
                values={},
            )


def window_attribute(window: int) -> str:
    return f"w{window}"


def at_most(attribute: str, value: str) -> str:
    """An attribute that is not there counts as 0."""
    return f"(attribute_not_exists({attribute}) OR {attribute} <= {value})"


def usage_in_item(item: Item, window: int) -> Usage:
    def number(name: str) -> int:
        return int(item[name]["N"]) if name in item else 0

    return Usage(
        current=number(window_attribute(window)),
        previous=number(window_attribute(window - 1)),
        open_tasks=number(OPEN_TASKS),
    )
