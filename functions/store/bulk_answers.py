"""Stored answers to bulk requests with an idempotency key. A bulk request changes many records; none holds the key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from functions.core.idempotency import KeyedChange
from functions.store import keys
from functions.store.records import number_value, string_value, to_json
from functions.store.table import Table

RETENTION_SECONDS = 86_400
"""Far longer than any client retries a request."""


@dataclass(frozen=True)
class BulkAnswerStore:
    table: Table

    def get(self, tenant: str, route: str, change: KeyedChange) -> dict[str, Any] | None:
        """None: the request has no stored answer. Raises IdempotencyKeyReused when the key belongs to another
        request."""
        item = self.table.get(keys.bulk_answer_key(tenant, route, change.key))
        if item is None or not change.is_done_in([item["mark"]["S"]], id=route, what="request"):
            return None
        return json.loads(item["document"]["S"])  # type: ignore[no-any-return]

    def put(self, tenant: str, route: str, change: KeyedChange, answer: dict[str, Any], *, now: int) -> None:
        """`now`: epoch ms."""
        item = {
            **keys.bulk_answer_key(tenant, route, change.key),
            "mark": string_value(change.mark),
            "document": string_value(to_json(answer)),
            "expiresAt": number_value(now // 1000 + RETENTION_SECONDS),
        }
        self.table.put(item, if_absent=False)
