"""The rules of quotas: what is admitted, how long a refusal says to wait, what never fits."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.core.errors import BeyondQuota, QuotaExceeded
from functions.core.quotas import (
    Allowed,
    Decision,
    Never,
    QuotaRules,
    Quotas,
    SubmitQuota,
    Usage,
    Wait,
    error_of_decision,
)

START = 1_770_000_000_000
FIVE = SubmitQuota(rate=5, burst=10)
"""Windows of two seconds; one begins at START."""


@dataclass
class Tenant:
    """What the store would have counted."""

    quota: SubmitQuota
    windows: Counter[int] = field(default_factory=Counter)
    admitted: list[tuple[int, int]] = field(default_factory=list)
    """Time and number of submits of each request."""

    def decide(self, submits: int, now: int) -> Decision:
        window = self.quota.window(now)
        usage = Usage(current=self.windows[window], previous=self.windows[window - 1])
        return self.quota.decide(usage, submits, now)

    def submit(self, submits: int, now: int) -> Decision:
        decision = self.decide(submits, now)
        if isinstance(decision, Allowed):
            self.windows[self.quota.window(now)] += submits
            self.admitted.append((now, submits))
        return decision

    def excess(self) -> float:
        """The most submits of any time T above burst + rate · T."""
        return max(
            sum(submits for _, submits in self.admitted[first : last + 1])
            - self.quota.rate * (self.admitted[last][0] - self.admitted[first][0]) / 1000
            - self.quota.burst
            for first in range(len(self.admitted))
            for last in range(first, len(self.admitted))
        )


quotas = st.builds(
    SubmitQuota, rate=st.sampled_from([0.2, 1, 3, 7.5, 50]), burst=st.sampled_from([1, 2, 5, 17, 33, 100])
)


@settings(max_examples=40, deadline=None)
@given(quotas, st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_admitted_submits_of_any_time_are_at_most_burst_and_one_and_rate_times_time(
    quota: SubmitQuota, offset: int, draw: random.Random
) -> None:
    tenant, now = Tenant(quota), START + offset
    for _ in range(80):
        now += draw.choice([0, 0, 1, draw.randrange(50), draw.randrange(1, int(2000 / quota.rate) + 2)])
        decision = tenant.submit(draw.choice([1, 1, draw.randrange(1, quota.burst + 1)]), now)
        if isinstance(decision, Wait) and draw.random() < 0.5:
            now += decision.milliseconds
    assert tenant.excess() <= 1


@settings(max_examples=40, deadline=None)
@given(quotas, st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_a_refused_request_fits_after_its_wait_and_later_but_not_a_millisecond_before(
    quota: SubmitQuota, offset: int, draw: random.Random
) -> None:
    tenant, now = Tenant(quota), START + offset
    for _ in range(40):
        now += draw.choice([0, 1, draw.randrange(1, int(1000 / quota.rate) + 2)])
        submits = draw.randrange(1, quota.burst + 1)
        decision = tenant.submit(submits, now)
        if isinstance(decision, Wait):
            after = now + decision.milliseconds
            assert not isinstance(tenant.decide(submits, after - 1), Allowed)
            for later in range(0, 2 * quota.window_ms, max(1, quota.window_ms // 4)):
                assert isinstance(tenant.decide(submits, after + later), Allowed)


@pytest.mark.parametrize("share", [0.99, 0.9, 0.5, 0.1])
@pytest.mark.parametrize(("rate", "burst"), [(0.2, 1), (1, 1), (3, 2), (7.5, 5), (50, 100), (50, 1000)])
def test_a_sender_steadily_below_the_rate_is_never_refused(rate: float, burst: int, share: float) -> None:
    tenant = Tenant(SubmitQuota(rate=rate, burst=burst))
    pause = 1000 / (rate * share)
    decisions = [tenant.submit(1, START + 13 + int(at * pause)) for at in range(300)]
    assert [at for at, decision in enumerate(decisions) if not isinstance(decision, Allowed)] == []


@pytest.mark.parametrize("burst", [1, 7, 100])
def test_a_tenant_that_was_idle_may_submit_its_burst_at_once(burst: int) -> None:
    tenant = Tenant(SubmitQuota(rate=3, burst=burst))
    assert isinstance(tenant.submit(burst, START), Allowed)
    assert isinstance(tenant.submit(1, START), Wait)


@pytest.mark.parametrize(
    ("usage", "submits", "after_ms", "decision"),
    [
        (Usage(), 10, 0, Allowed()),
        (Usage(), 11, 0, Never("burst", 10)),
        (Usage(current=10), 1, 500, Wait(1500, "submitsPerSecond")),
        (Usage(current=9), 1, 500, Allowed()),
        (Usage(previous=10), 1, 0, Allowed()),
        (Usage(previous=10), 2, 0, Wait(200, "submitsPerSecond")),
        (Usage(previous=10), 10, 0, Wait(1800, "submitsPerSecond")),
    ],
)
def test_decision_of_the_usage_and_the_time_in_the_window(
    usage: Usage, submits: int, after_ms: int, decision: Decision
) -> None:
    assert START % FIVE.window_ms == 0
    assert FIVE.decide(usage, submits, START + after_ms) == decision


@pytest.mark.parametrize(
    ("open_tasks", "submits", "decision"),
    [
        (99, 1, Allowed()),
        (100, 1, Wait(10_000, "openTasks")),
        (95, 6, Wait(10_000, "openTasks")),
        (500, 1, Wait(10_000, "openTasks")),
    ],
)
def test_decision_of_open_tasks(open_tasks: int, submits: int, decision: Decision) -> None:
    quota = SubmitQuota(rate=5, burst=10, open_tasks=100)
    assert quota.decide(Usage(open_tasks=open_tasks), submits, START) == decision


def test_more_submits_than_open_tasks_are_allowed_never_fit() -> None:
    quota = SubmitQuota(rate=5, burst=10, open_tasks=8)
    assert quota.decide(Usage(), 9, START) == Never("openTasks", 8)


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1, 1), (1000, 1), (1001, 2), (1999, 2), (2000, 2)])
def test_retry_after_is_whole_seconds_rounded_up(milliseconds: int, seconds: int) -> None:
    error = error_of_decision(FIVE, Wait(milliseconds, "submitsPerSecond"), 1)
    assert isinstance(error, QuotaExceeded)
    assert (error.quota, error.limit, error.retry_after_seconds) == ("submitsPerSecond", 5, seconds)


def test_usage_of_a_larger_quota_from_before_is_over_when_its_windows_are() -> None:
    decision = FIVE.decide(Usage(current=5000, previous=5000), 1, START + 100)
    assert decision == Wait(2 * FIVE.window_ms - 100, "submitsPerSecond")


# -- the other quotas


@pytest.mark.parametrize(
    ("check", "quota", "limit"),
    [
        (Quotas(payload_bytes=20).require_payload_bytes, "payloadBytes", 20),
        (Quotas(workflow_nodes=3).require_workflow_nodes, "workflowNodes", 3),
        (Quotas(schedules=5).require_schedules, "schedules", 5),
    ],
)
def test_a_size_above_its_quota_is_beyond_it(check: object, quota: str, limit: int) -> None:
    assert callable(check)
    check(limit)
    with pytest.raises(BeyondQuota) as raised:
        check(limit + 1)
    assert (raised.value.quota, raised.value.limit, raised.value.requested) == (quota, limit, limit + 1)


@pytest.mark.parametrize("check", ["require_payload_bytes", "require_workflow_nodes", "require_schedules"])
def test_without_a_quota_any_size_is_accepted(check: str) -> None:
    getattr(Quotas(), check)(10**12)


# -- the variable QUOTAS


def test_quotas_of_a_tenant_replace_the_default_as_a_whole() -> None:
    rules = QuotaRules.from_json(
        json.dumps(
            {
                "default": {"submitsPerSecond": 5, "burst": 10, "openTasks": 100, "schedules": 3},
                "tenants": {"big": {"submitsPerSecond": 500, "burst": 1000}, "free": {}},
            }
        )
    )
    assert rules.of_tenant("any") == Quotas(submit=SubmitQuota(rate=5, burst=10, open_tasks=100), schedules=3)
    assert rules.of_tenant("big") == Quotas(submit=SubmitQuota(rate=500, burst=1000))
    assert rules.of_tenant("free") == Quotas()


def test_a_quota_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="submitsPerMinute"):
        QuotaRules.from_json('{"default": {"submitsPerMinute": 5}}')
