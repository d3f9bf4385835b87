from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st
from taskyard.tasks.retry import RetryPolicy, jitter_fraction

policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    strategy=st.sampled_from(["exponential", "fixed"]),
    base_seconds=st.floats(0, 1e6),
    max_seconds=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
)
ids = st.text(min_size=1, max_size=40)
attempts = st.integers(1, 10_000)


@given(policies, ids, attempts)
def test_a_delay_is_within_its_policy_and_the_same_on_a_replay(policy: RetryPolicy, task_id: str, attempt: int) -> None:
    delay = policy.delay(task_id, attempt)
    assert 0 <= delay <= policy.max_seconds
    assert policy.delay(task_id, attempt) == delay


@given(policies, ids, attempts)
def test_jitter_spreads_downwards_by_its_share(policy: RetryPolicy, task_id: str, attempt: int) -> None:
    full = RetryPolicy(
        strategy=policy.strategy, base_seconds=policy.base_seconds, max_seconds=policy.max_seconds, jitter=0
    ).delay(task_id, attempt)
    assert full * (1 - policy.jitter) * (1 - 1e-9) <= policy.delay(task_id, attempt) <= full


@given(policies, ids, st.integers(1, 60))
def test_without_jitter_no_wait_is_shorter_than_the_one_before(policy: RetryPolicy, task_id: str, attempt: int) -> None:
    steady = RetryPolicy(strategy=policy.strategy, base_seconds=policy.base_seconds, jitter=0)
    assert steady.delay(task_id, attempt) <= steady.delay(task_id, attempt + 1)


def test_exponential_doubles_and_fixed_does_not() -> None:
    exponential = RetryPolicy(base_seconds=2, max_seconds=30, jitter=0)
    assert [exponential.delay("t", attempt) for attempt in range(1, 7)] == [2, 4, 8, 16, 30, 30]
    fixed = RetryPolicy(strategy="fixed", base_seconds=7, jitter=0)
    assert [fixed.delay("t", attempt) for attempt in range(1, 4)] == [7, 7, 7]


def test_tasks_that_failed_together_come_back_apart() -> None:
    drawn = [jitter_fraction(f"task-{at}", 1) for at in range(2000)]
    assert min(drawn) >= 0
    assert max(drawn) < 1
    assert abs(statistics.mean(drawn) - 0.5) < 0.03
    assert len({round(value, 3) for value in drawn}) > 800


def test_attempts_of_one_task_are_spread_too() -> None:
    assert len({jitter_fraction("t", attempt) for attempt in range(1, 100)}) == 99
