"""Idempotency of bulk requests: the same request again under the same key gets the answer of the first one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import StoreUnavailable
from functions.core.idempotency import KeyedChange
from functions.intake.idempotency_key import validated_header_key
from functions.store.bulk_answers import BulkAnswerStore

logger = logging.getLogger("taskyard.api")

TIME_LIMIT_MS = 15_000
"""A bulk request stops after this time and answers a cursor: API Gateway waits for 30 s."""


@dataclass(frozen=True, kw_only=True)
class BulkRequests:
    """`clock`: epoch ms."""

    answers: BulkAnswerStore
    clock: Callable[[], int]

    def answer_once(
        self,
        tenant: str,
        route: str,
        body: Mapping[str, Any],
        header: str | None,
        act: Callable[[], Mapping[str, Any]],
    ) -> Mapping[str, Any]:
        """`header`: Idempotency-Key as it came. A request that died before its answer was stored is acted on again:
        `act` then finds the rest. Raises IdempotencyKeyReused."""
        key = validated_header_key(header)
        if key is None:
            return act()
        change = KeyedChange(key, body)
        earlier = self.answers.get(tenant, route, change)
        if earlier is not None:
            return earlier
        answer = act()
        try:
            self.answers.put(tenant, route, change, dict(answer), now=self.clock())
        except StoreUnavailable:
            # The request is done. If the caller does not receive this answer either, a repetition counts only the rest.
            logger.warning("answer not stored", exc_info=True, extra={"route": route})
        return answer
