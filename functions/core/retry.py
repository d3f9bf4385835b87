"""How long to wait before the next attempt. Pure: the jitter is a hash, so a replay waits as long as the first time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

MAX_DELAY_SECONDS = 7 * 24 * 3600
"""The most that one retry may wait, whatever a policy or a Retry-After says: a week."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """`baseSeconds · 2^(attempt-1)` (exponential) or `baseSeconds` (fixed), at most `maxSeconds`.

    `jitter` is the share of that which is spread: 0.5 waits between half of it and all of it. Spreading downwards
    keeps the cap a cap. max_attempts counts the first attempt too.
    """

    max_attempts: int = 4
    strategy: Literal["exponential", "fixed"] = "exponential"
    base_seconds: float = 2.0
    max_seconds: float = 900.0
    jitter: float = 0.5

    def delay(self, task_id: str, attempt: int) -> float:
        """Seconds between the end of attempt number `attempt` (1 is the first) and the next one."""
        if self.strategy == "fixed":
            full = min(self.base_seconds, self.max_seconds)
        else:
            # The exponent is bounded because 2.0 ** 1024 raises; 2 ** 64 seconds is above any cap already.
            full = min(self.base_seconds * 2.0 ** min(attempt - 1, 64), self.max_seconds)
        return full * (1.0 - self.jitter * spread(task_id, attempt))


def spread(task_id: str, attempt: int) -> float:
    """A number in [0, 1), even over tasks and attempts, the same for the same two."""
    digest = hashlib.blake2b(f"{task_id}#{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
