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


TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.PENDING, State.READY, State.RUNNING, State.CANCELLED}),
    State.READY: frozenset({State.PENDING, State.READY, State.RUNNING, State.CANCELLED}),
    State.BLOCKED: frozenset({State.PENDING, State.READY, State.CANCELLED, State.SKIPPED}),
    State.RUNNING: frozenset({State.RUNNING, State.RETRY, State.SUCCESS, State.FAILED, State.DEAD}),
    State.RETRY: frozenset({State.RETRY, State.RUNNING, State.CANCELLED}),
    State.SUCCESS: frozenset(),
    State.FAILED: frozenset(),
    State.DEAD: frozenset(),
    State.CANCELLED: frozenset(),
    State.SKIPPED: frozenset(),
}

REDRIVE_TRANSITIONS: dict[State, State] = {State.FAILED: State.PENDING, State.DEAD: State.PENDING}
"""Transitions that only a redrive of a dead letter makes. No worker makes them: for all else the states are
terminal."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
CLAIMABLE = frozenset({State.PENDING, State.READY, State.RETRY})
"""A wake-up of the current generation may claim a task in these states once it is due."""
CANCELLABLE = CLAIMABLE | {State.BLOCKED}
DEAD_LETTER_STATES = frozenset({State.FAILED, State.DEAD})


def displayed_state(state: State, available_at: int, now: int) -> State:
    """The state that views show: a PENDING task is READY from its due time on, without a write. Times in epoch ms."""
    return State.READY if state is State.PENDING and available_at <= now else state
