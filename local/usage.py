"""Usage of the local system, for tests and the bench: AWS calls, capacity units, invocations."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field


@dataclass(frozen=True)
class FinishedInvocation:
    """One finished invocation. `error` is None, or the runtime's error as JSON text."""

    function: str
    request_id: str
    started: float
    seconds: float
    error: str | None


@dataclass
class Usage:
    """`calls` is keyed by (caller, service, operation): the caller is a function's name, `<name>/poller` for its event
    source (empty receives are not counted: they are shared by all there is), `scheduler`, `ttl` or `admin`.
    `write_units` and `read_units` by caller are DynamoDB's on-demand units, index writes included."""

    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    write_units: Counter[str] = field(default_factory=Counter)
    read_units: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    invocations: deque[FinishedInvocation] = field(default_factory=lambda: deque(maxlen=10_000))

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
