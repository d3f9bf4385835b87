"""The states of a task and the transitions between them. docs/state-machine.md is tested against this table.

What moves a task on from each state, and what repairs it when that fails:

| state    | moved on by                              | repaired by, when that fails                           |
|----------|------------------------------------------|--------------------------------------------------------|
| PENDING  | the wake-up of its generation, once due  | the wake-up is redelivered, or its schedule retried    |
| READY    | the wake-up of its generation            | SQS redelivers it                                      |
| BLOCKED  | the last upstream's consequences         | the upstream's wake-up, or its own, runs them again    |
| RUNNING  | the worker that holds the lease          | the wake-up, redelivered at the lease's end, claims it |
| RETRY    | the wake-up sent before the write        | as PENDING                                             |
| terminal | nothing; TTL removes it after retention  | the wake-up runs the consequences again                |
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
"""Transitions that only a redrive of a dead letter makes. No worker makes them: for all else the states are
terminal."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
CLAIMABLE = frozenset({S.PENDING, S.READY, S.RETRY})
"""A wake-up of the current generation may claim a task in these states once it is due."""
CANCELLABLE = CLAIMABLE | {S.BLOCKED}
DEAD_LETTER_STATES = frozenset({S.FAILED, S.DEAD})


def displayed_state(state: State, available_at: int, now: int) -> State:
    """The state that views show: a PENDING task is READY from its due time on, without a write. Times in epoch ms."""
    return S.READY if state is S.PENDING and available_at <= now else state
