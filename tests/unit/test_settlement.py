from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskyard.tasks.errors import Retry
from taskyard.tasks.retry import MAX_DELAY_SECONDS, RetryPolicy

from functions.core.outcomes import Failed, Succeeded
from functions.core.settlement import lost_attempt, settle
from functions.core.states import TRANSITIONS, State
from functions.core.task import ERROR_LIMIT, TRACEBACK_BYTES, UNCHARGED_ATTEMPTS_LIMIT, Attempt, Document, Task

NOW = 1_770_000_000_000
FAILED = Failed("ValueError", "no luck", "tasks/a.py:7")


def task(**fields: Any) -> Task:
    return Task(
        **{
            "tenant": "t",
            "id": "x",
            "type": "A",
            "state": State.RUNNING,
            "created_at": NOW - 5000,
            "available_at": NOW - 5000,
            "started_at": NOW - 1000,
            "attempt": 1,
            "timeout_seconds": 30,
            "retry": RetryPolicy(max_attempts=3, strategy="fixed", base_seconds=10, jitter=0),
            "payload": Document("{}"),
            "digest": "d",
        }
        | fields
    )


def test_success() -> None:
    settled = settle(task(), Succeeded(7), now=NOW, log=("line",))
    assert (settled.state, settled.available_at, settled.reason) == (State.SUCCESS, None, None)
    assert (settled.attempt.outcome, settled.attempt.log) == ("SUCCESS", ("line",))
    assert (settled.attempt.started_at, settled.attempt.ended_at) == (NOW - 1000, NOW)


def test_a_failure_with_tries_left() -> None:
    settled = settle(task(), FAILED, now=NOW)
    assert (settled.state, settled.available_at) == (State.RETRY, NOW + 10_000)
    told = (settled.attempt.error_type, settled.attempt.error, settled.attempt.where)
    assert told == ("ValueError", "no luck", "tasks/a.py:7")


def test_the_last_failure() -> None:
    assert settle(task(attempt=3), FAILED, now=NOW).state is State.DEAD


@pytest.mark.parametrize("attempt", [1, 3])
def test_a_permanent_one(attempt: int) -> None:
    assert settle(task(attempt=attempt), Failed("Permanent", "no", permanent=True), now=NOW).state is State.FAILED


@given(
    st.integers(1, 10), st.integers(1, 10), st.booleans(), st.none() | st.floats(allow_nan=False), st.integers(0, 10)
)
def test_whatever_happens_follows_the_table(
    attempt: int, allowed: int, permanent: bool, after: float | None, later: int
) -> None:
    running = task(attempt=attempt, retry=RetryPolicy(max_attempts=allowed))
    failed = Failed("E", "m", permanent=permanent, after=after)
    settled = settle(running, failed, now=NOW, not_before=NOW + later)
    assert settled.state in TRANSITIONS[State.RUNNING]
    assert (settled.state is State.RETRY) == (settled.available_at is not None)
    if settled.available_at is not None:
        assert attempt < allowed
        assert NOW + later <= settled.available_at <= NOW + MAX_DELAY_SECONDS * 1000 + later


def test_errors_are_bounded() -> None:
    error = settle(task(), Failed("E", "x" * 10_000), now=NOW).attempt.error
    assert error is not None
    assert len(error) == ERROR_LIMIT


def test_tracebacks_are_bounded_and_keep_their_end() -> None:
    kept = settle(task(), Failed("E", "m", chain="ü" * 5000 + "the end"), now=NOW).attempt.traceback
    assert kept is not None
    assert len(kept.encode()) <= TRACEBACK_BYTES
    assert kept.startswith("…ü")
    assert kept.endswith("the end")


BLOCKED = Failed("LoopBlocked", "held", charged=False)


def test_an_attempt_that_was_not_let_run_is_not_charged() -> None:
    settled = settle(task(attempt=3), BLOCKED, now=NOW, not_before=NOW + 5)
    assert (settled.state, settled.available_at, settled.max_attempts) == (State.RETRY, NOW + 5, 4)


@pytest.mark.parametrize(
    ("times", "state"), [(UNCHARGED_ATTEMPTS_LIMIT - 1, State.RETRY), (UNCHARGED_ATTEMPTS_LIMIT, State.DEAD)]
)
def test_an_attempt_that_is_never_let_run_is_charged_at_last(times: int, state: State) -> None:
    attempts = tuple(
        Attempt(number=at, started_at=1, ended_at=2, outcome="RETRY", error_type="LoopBlocked") for at in range(times)
    )
    policy = RetryPolicy(max_attempts=times + 1)
    assert settle(task(attempt=times + 1, history=attempts, retry=policy), BLOCKED, now=NOW).state is state


def test_a_lost_attempt_ended_with_its_lease() -> None:
    attempt = lost_attempt(task(attempt=2, lease_until=NOW + 5))
    assert (attempt.number, attempt.outcome, attempt.ended_at) == (2, "LOST", NOW + 5)


def test_retry_says_when_in_numbers() -> None:
    assert Retry(after=3).after == 3
    assert str(Retry()) == "the handler asked for a retry"
    with pytest.raises(ValueError, match="seconds"):
        Retry(after=float("nan"))
    with pytest.raises(TypeError):
        Retry(after="soon")  # type: ignore[arg-type]
