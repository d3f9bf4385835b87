"""Quotas of a tenant: what it may submit in a time, and how much at once. Pure: `now` is an argument (docs/adr/0031).

Submits are counted per window of the time in which `burst` submits become available at the rate. A submit fits if the
current window has room, and the current window with the rest of the previous one has room. So in any T seconds a
tenant is admitted at most burst + 1 + rate · T submits, and a sender that is steadily below the rate is never refused.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

from functions.core.errors import BeyondQuota, QuotaExceeded

QuotaName = Literal["submitsPerSecond", "burst", "openTasks", "payloadBytes", "schedules", "workflowNodes"]
QUOTA_NAMES: tuple[QuotaName, ...] = get_args(QuotaName)

STEPS = 16
"""Thresholds of the previous window's count: a condition of DynamoDB compares, and cannot multiply."""
OPEN_TASKS_RETRY_SECONDS = 10
"""Nobody knows when tasks end. In prod the count follows them after up to 20 s."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a tenant has submitted in the current and the previous window, and its open tasks as last counted."""

    current: int = 0
    previous: int = 0
    open_tasks: int = 0


@dataclass(frozen=True)
class Allowed:
    pass


@dataclass(frozen=True)
class Wait:
    """`milliseconds`: after that time, and at any later one, the same request fits, if the tenant submits nothing else
    until then. Of openTasks it is an estimate."""

    milliseconds: int
    quota: QuotaName

    @property
    def seconds(self) -> int:
        return max(1, -(-self.milliseconds // 1000))


@dataclass(frozen=True)
class Never:
    """The request is larger than the quota: waiting does not help."""

    quota: QuotaName
    limit: int


Decision = Allowed | Wait | Never


@dataclass(frozen=True, kw_only=True)
class SubmitQuota:
    """`rate`: submits per second. `burst`: submits at once."""

    rate: float
    burst: int
    open_tasks: int | None = None

    @cached_property
    def window_ms(self) -> int:
        return max(1, -int(-self.burst * 1000 // self.rate))

    def window(self, now: int) -> int:
        """The number of the window at `now`, epoch ms."""
        return now // self.window_ms

    def thresholds(self, submits: int, now: int) -> Iterator[tuple[int, int]]:
        """Pairs (previous, current). `submits` fit if, for one of the pairs, the previous window has at most the first
        and the current window at most the second."""
        remaining = self.window_ms - now % self.window_ms
        steps = min(self.burst, STEPS)
        for step in range(steps + 1):
            previous = self.burst * step // steps
            carried = -(-previous * remaining // self.window_ms)
            current = min(self.burst, self.burst + 1 - carried) - submits
            if current >= 0:
                yield previous, current

    def open_tasks_threshold(self, submits: int) -> int | None:
        """`submits` fit if at most so many tasks are open. None: any number."""
        return None if self.open_tasks is None else self.open_tasks - submits

    def impossible(self, submits: int) -> Never | None:
        if submits > self.burst:
            return Never("burst", self.burst)
        if self.open_tasks is not None and submits > self.open_tasks:
            return Never("openTasks", self.open_tasks)
        return None

    def decide(self, usage: Usage, submits: int, now: int) -> Decision:
        if never := self.impossible(submits):
            return never
        if self.open_tasks is not None and usage.open_tasks > self.open_tasks - submits:
            return Wait(OPEN_TASKS_RETRY_SECONDS * 1000, "openTasks")
        if self._fits(usage.current, usage.previous, submits, now):
            return Allowed()
        return Wait(self._fits_from(usage, submits, now) - now, "submitsPerSecond")

    def _fits(self, current: int, previous: int, submits: int, at: int) -> bool:
        return any(previous <= most and current <= room for most, room in self.thresholds(submits, at))

    def _fits_from(self, usage: Usage, submits: int, now: int) -> int:
        """The time from which `submits` fit, if nothing else is submitted. In a window room only grows, and the second
        window after `now` is empty."""
        following = (self.window(now) + 1) * self.window_ms
        if self._fits(0, usage.current, submits, following):
            start, counts = now, (usage.current, usage.previous)
        else:
            start, counts = following, (0, usage.current)
        end = (self.window(start) + 1) * self.window_ms
        times = range(start, end)
        return start + bisect_left(times, True, key=lambda at: self._fits(*counts, submits, at))


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """Of one tenant. None: no limit. `submit`: rate, burst and open tasks, which one write checks together.
    `payload_bytes`: of one task, as JSON in UTF-8. `workflow_nodes`: of one workflow."""

    submit: SubmitQuota | None = None
    payload_bytes: int | None = None
    schedules: int | None = None
    workflow_nodes: int | None = None

    @classmethod
    def from_fields(cls, fields: Mapping[QuotaName, Any]) -> Quotas:
        """Raises ValueError for a field that is not known, KeyError for a rate without its burst."""
        if unknown := set(fields) - set(QUOTA_NAMES):
            raise ValueError(f"QUOTAS: no quota is named {', '.join(sorted(unknown))}")
        submit = None
        if "submitsPerSecond" in fields or "openTasks" in fields:
            submit = SubmitQuota(
                rate=fields["submitsPerSecond"], burst=fields["burst"], open_tasks=fields.get("openTasks")
            )
        return cls(
            submit=submit,
            payload_bytes=fields.get("payloadBytes"),
            schedules=fields.get("schedules"),
            workflow_nodes=fields.get("workflowNodes"),
        )

    def require_payload_bytes(self, size: int) -> None:
        """Raises BeyondQuota."""
        require_within("payloadBytes", self.payload_bytes, size)

    def require_workflow_nodes(self, count: int) -> None:
        """Raises BeyondQuota."""
        require_within("workflowNodes", self.workflow_nodes, count)

    def require_schedules(self, count: int) -> None:
        """`count`: with the new one. Raises BeyondQuota."""
        require_within("schedules", self.schedules, count)


@dataclass(frozen=True, kw_only=True)
class QuotaRules:
    """`tenants`: the tenants with quotas of their own, which replace the default as a whole."""

    default: Quotas
    tenants: Mapping[str, Quotas] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> QuotaRules:
        """`text`: the variable QUOTAS, `{"default": {…}, "tenants": {"<tenant>": {…}}}`."""
        document = json.loads(text)
        return cls(
            default=Quotas.from_fields(document["default"]),
            tenants={name: Quotas.from_fields(fields) for name, fields in document.get("tenants", {}).items()},
        )

    def of_tenant(self, tenant: str) -> Quotas:
        return self.tenants.get(tenant, self.default)


def require_within(quota: QuotaName, limit: int | None, requested: int) -> None:
    """Raises BeyondQuota."""
    if limit is not None and requested > limit:
        raise BeyondQuota(quota, limit, requested)


def error_of_decision(quota: SubmitQuota, decision: Wait | Never, submits: int) -> QuotaExceeded | BeyondQuota:
    match decision:
        case Never():
            return BeyondQuota(decision.quota, decision.limit, submits)
        case Wait(quota="openTasks"):
            return QuotaExceeded(decision.quota, quota.open_tasks or 0, decision.seconds)
        case Wait():
            return QuotaExceeded(decision.quota, quota.rate, decision.seconds)
