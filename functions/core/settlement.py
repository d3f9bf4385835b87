"""The settlement of a task: the state that follows from an attempt's outcome. The worker writes it under its fence."""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.tasks.retry import MAX_DELAY_SECONDS
from taskyard.tasks.text import truncate

from functions.core.outcomes import Failed, LoopBlocked, Outcome, Succeeded
from functions.core.states import State
from functions.core.task import ERROR_LIMIT, TRACEBACK_BYTES, UNCHARGED_ATTEMPTS_LIMIT, Attempt, Task, last_bytes


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """The state that follows, and why. `available_at` (epoch ms): when the next attempt is due, for RETRY."""

    state: State
    attempt: Attempt
    reason: str | None = None
    available_at: int | None = None
    max_attempts: int | None = None
    """A new maximum, for an attempt that is not charged: one more attempt than before may follow."""


def settle(task: Task, outcome: Outcome, *, now: int, log: tuple[str, ...] = (), not_before: int = 0) -> Settlement:
    """`task` as the claim returned it. Epoch ms: `now`, when the attempt ended; `not_before`, the earliest next one."""
    if isinstance(outcome, Succeeded):
        return Settlement(state=State.SUCCESS, attempt=ended_attempt(task, "SUCCESS", now=now, log=log))
    if outcome.permanent:
        return Settlement(
            state=State.FAILED,
            attempt=ended_attempt(task, "FAILED", now=now, log=log, failed=outcome),
            reason="permanent error: no retry makes sense",
        )
    if not outcome.charged and uncharged_attempts(task) < UNCHARGED_ATTEMPTS_LIMIT:
        # The attempt number is the fence and only ever rises, so what is given back is not the number.
        return Settlement(
            state=State.RETRY,
            attempt=ended_attempt(task, "RETRY", now=now, log=log, failed=outcome),
            reason=f"attempt {task.attempt} was not let run and is not charged",
            available_at=max(not_before, now),
            max_attempts=task.retry.max_attempts + 1,
        )
    if task.attempt >= task.retry.max_attempts:
        return Settlement(
            state=State.DEAD,
            attempt=ended_attempt(task, "DEAD", now=now, log=log, failed=outcome),
            reason=f"all {task.retry.max_attempts} attempts failed",
        )
    seconds = task.retry.delay(task.id, task.attempt) if outcome.after is None else outcome.after
    return Settlement(
        state=State.RETRY,
        attempt=ended_attempt(task, "RETRY", now=now, log=log, failed=outcome),
        reason=f"attempt {task.attempt} of {task.retry.max_attempts} failed",
        available_at=max(not_before, now + round(min(max(seconds, 0.0), MAX_DELAY_SECONDS) * 1000)),
    )


def uncharged_attempts(task: Task) -> int:
    return sum(entry.error_type == LoopBlocked.__name__ for entry in task.history)


def lost_attempt(task: Task) -> Attempt:
    """The history entry of an attempt whose worker died before it settled: it ended with its lease at the latest."""
    return Attempt(
        number=task.attempt,
        started_at=task.started_at or task.created_at,
        ended_at=task.lease_until,
        outcome="LOST",
        error_type="WorkerLost",
        error="the worker died or was cut off before it could settle",
    )


def ended_attempt(
    task: Task, outcome: str, *, now: int, log: tuple[str, ...] = (), failed: Failed | None = None
) -> Attempt:
    return Attempt(
        number=task.attempt,
        started_at=task.started_at or now,
        ended_at=now,
        outcome=outcome,
        error_type=failed.error_type if failed else None,
        error=truncate(failed.message, ERROR_LIMIT) if failed else None,
        where=failed.where if failed else None,
        traceback=last_bytes(failed.chain, TRACEBACK_BYTES) if failed and failed.chain else None,
        log=log,
    )
