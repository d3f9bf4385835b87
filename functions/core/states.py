"""The states of a task and the table of what may follow what. docs/state-machine.md is tested against it.

Who moves a task on, and who repairs it when the mover dies:

| state    | moved on by                              | when that one dies                                     |
|----------|------------------------------------------|--------------------------------------------------------|
| PENDING  | the wake-up of its generation, once due  | the wake-up is redelivered, or its schedule retried    |
| READY    | the wake-up of its generation            | SQS redelivers it                                      |
| BLOCKED  | the last upstream's consequences         | the upstream's wake-up, or its own, runs them again    |
| RUNNING  | the worker that holds the lease          | the wake-up, redelivered at the lease's end, claims it |
| RETRY    | the wake-up sent before this was written | as PENDING                                             |
| terminal | nobody; TTL removes it after retention   | consequences are run again by the wake-up              |
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    PENDING = "PENDING"
    READY = "READY"
    BLOCKED = "BLOCKED"
    RUNNING = "RUNNING"
    RETRY = "RETRY"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


S = State

TRANSITIONS: dict[State, frozenset[State]] = {
    S.PENDING: frozenset({S.PENDING, S.READY, S.RUNNING, S.CANCELLED}),
    S.READY: frozenset({S.PENDING, S.READY, S.RUNNING, S.CANCELLED}),
    S.BLOCKED: frozenset({S.PENDING, S.READY, S.CANCELLED, S.SKIPPED}),
    S.RUNNING: frozenset({S.RUNNING, S.RETRY, S.SUCCESS, S.FAILED, S.DEAD}),
    S.RETRY: frozenset({S.RETRY, S.RUNNING, S.CANCELLED}),
    S.SUCCESS: frozenset(),
    S.FAILED: frozenset(),
    S.DEAD: frozenset(),
    S.CANCELLED: frozenset(),
    S.SKIPPED: frozenset(),
}

REDRIVE_TRANSITIONS: dict[State, State] = {S.FAILED: S.PENDING, S.DEAD: S.PENDING}
"""What only a person starts, from the failure desk: never a worker, so these states stay terminal for all else."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
CLAIMABLE = frozenset({S.PENDING, S.READY, S.RETRY})
"""A wake-up of the right generation may claim these, once due."""
CANCELLABLE = CLAIMABLE | {S.BLOCKED}
DEAD_LETTER_STATES = frozenset({S.FAILED, S.DEAD})


def displayed_state(state: State, available_at: int, now: int) -> State:
    """What a reader is told: PENDING is READY from its due time on, which costs no write. Times in epoch ms."""
    return S.READY if state is S.PENDING and available_at <= now else state
