"""Answers to bulk requests under an idempotency key: they change many records, and none of them could hold the key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from functions.core.idempotency import KeyedChange
from functions.store import keys
from functions.store.records import dump, number, text
from functions.store.table import Table

RETENTION_SECONDS = 86_400
"""Far longer than any client goes on sending a request again."""


@dataclass(frozen=True)
class AnswerStore:
    table: Table

    def get(self, tenant: str, route: str, change: KeyedChange) -> dict[str, Any] | None:
        """None: it was not answered. Raises IdempotencyKeyReused where the key belongs to another request."""
        item = self.table.get(keys.answer_key(tenant, route, change.key))
        if item is None or not change.is_among([item["mark"]["S"]], id=route, what="request"):
            return None
        return json.loads(item["document"]["S"])  # type: ignore[no-any-return]

    def put(self, tenant: str, route: str, change: KeyedChange, answer: dict[str, Any], *, now: int) -> None:
        """`now`: epoch ms."""
        item = {
            **keys.answer_key(tenant, route, change.key),
            "mark": text(change.mark),
            "document": text(dump(answer)),
            "expiresAt": number(now // 1000 + RETENTION_SECONDS),
        }
        self.table.put(item, if_absent=False)
