"""How long to wait before the next attempt. The jitter is a hash of task and attempt: a replay waits the same time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

MAX_DELAY_SECONDS = 7 * 24 * 3600
"""The longest pause before a retry, whatever a policy or a Retry-After says: a week."""
ATTEMPTS_LIMIT = 101
"""The first attempt, and the hundred retries that a request may ask for."""


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
        return full * (1.0 - self.jitter * jitter_fraction(task_id, attempt))


def jitter_fraction(task_id: str, attempt: int) -> float:
    """A number in [0, 1), even over tasks and attempts, the same for the same two."""
    digest = hashlib.blake2b(f"{task_id}#{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def policy_faults(policy: Any) -> Iterator[str]:
    """What of a declared policy would be cut, or would fail, when it is used."""
    if not isinstance(policy, RetryPolicy):
        yield f"retry must be a RetryPolicy, not {type(policy).__name__}"
        return
    attempts = policy.max_attempts
    if isinstance(attempts, bool) or not isinstance(attempts, int) or not 1 <= attempts <= ATTEMPTS_LIMIT:
        yield f"max_attempts must be a whole number from 1 to {ATTEMPTS_LIMIT}, not {attempts!r}"
    if policy.strategy not in ("exponential", "fixed"):
        yield f"strategy must be 'exponential' or 'fixed', not {policy.strategy!r}"
    for name, most in (("base_seconds", MAX_DELAY_SECONDS), ("max_seconds", MAX_DELAY_SECONDS), ("jitter", 1)):
        value = getattr(policy, name)
        # Not a number is not between any two.
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            yield f"{name} must be a number from 0 to {most}, not {value!r}"
            return
    if policy.base_seconds > policy.max_seconds:
        yield (
            f"base_seconds is {policy.base_seconds:g}, above max_seconds, at which each wait ends: "
            f"{policy.max_seconds:g}; raise max_seconds"
        )
