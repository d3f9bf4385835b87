"""Stream records, as the table's event source mapping would hand them to the observer."""

from __future__ import annotations

import copy
from typing import Any

from functions.store.keys import task_key
from tests.integration.cloud import TENANT, event


class Stream:
    """One shard of it: makes records of changes, in the order in which they are asked for."""

    def __init__(self, shard: str = "shardId-00000001770000000000-8a1c42d7") -> None:
        self.shard = shard
        self._at = 0

    def batch(self, *records: dict[str, Any]) -> dict[str, Any]:
        return event("observer", "life") | {"Records": list(records), "shardId": self.shard}

    def record(
        self,
        before: dict[str, Any] | None,
        after: dict[str, Any] | None,
        *,
        by_ttl: bool = False,
    ) -> dict[str, Any]:
        """`before`, `after`: the item as it was, and is."""
        self._at += 1
        [*_, sample] = event("observer", "life")["Records"]
        record: dict[str, Any] = copy.deepcopy(sample)
        present = after or before
        assert present is not None
        record["eventName"] = "INSERT" if before is None else "REMOVE" if after is None else "MODIFY"
        record["eventID"] = f"{self._at:032x}"
        data = record["dynamodb"]
        data["Keys"] = {"pk": present["pk"], "sk": present["sk"]}
        data["SequenceNumber"] = f"{4219 * 10**20 + self._at}"
        for name, image in (("OldImage", before), ("NewImage", after)):
            data.pop(name, None)
            if image is not None:
                data[name] = image
        if by_ttl:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        return record

    def life(self, task_id: str, *states: str, kind: str = "NOTE", tenant: str = TENANT) -> list[dict[str, Any]]:
        """A task that is put, and goes from state to state."""
        images = [task_key(tenant, task_id) | {"type": {"S": kind}, "state": {"S": state}} for state in states]
        return [self.record(before, after) for before, after in zip([None, *images], images, strict=False)]


def sequence(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
