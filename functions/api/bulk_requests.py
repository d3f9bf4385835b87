"""What bulk requests share: under an idempotency key, the same request again is answered as it was the first time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import StoreUnavailable
from functions.core.idempotency import KeyedChange
from functions.intake.submission import header_key
from functions.store.bulk_answers import AnswerStore

logger = logging.getLogger("taskyard.api")

TIME_LIMIT_MS = 15_000
"""A bulk request stops after this time and answers a cursor: API Gateway waits for 30 s."""


@dataclass(frozen=True, kw_only=True)
class BulkRequests:
    """`clock`: epoch ms."""

    answers: AnswerStore
    clock: Callable[[], int]

    def answer_once(
        self,
        tenant: str,
        route: str,
        body: Mapping[str, Any],
        header: str | None,
        act: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """`header`: Idempotency-Key as it came. A request that died before its answer was kept is acted on again: `act`
        then finds what is left."""
        key = header_key(header)
        if key is None:
            return act()
        change = KeyedChange(key, body)
        earlier = self.answers.get(tenant, route, change)
        if earlier is not None:
            return earlier
        answer = act()
        try:
            self.answers.put(tenant, route, change, answer, now=self.clock())
        except StoreUnavailable:
            # What was asked for is done. Only if this answer is lost as well does a repeat count what is left.
            logger.warning("answer not kept", exc_info=True, extra={"route": route})
        return answer
