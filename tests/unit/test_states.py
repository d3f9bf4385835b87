from __future__ import annotations

from functions.core.states import (
    CANCELLABLE,
    CLAIMABLE,
    DEAD_LETTER_STATES,
    TERMINAL,
    TRANSITIONS,
    State,
    displayed_state,
)


def test_the_table_has_every_state() -> None:
    assert set(TRANSITIONS) == set(State)


def test_nothing_leaves_a_terminal_state() -> None:
    assert {State.SUCCESS, State.FAILED, State.DEAD, State.CANCELLED, State.SKIPPED} == TERMINAL
    assert DEAD_LETTER_STATES <= TERMINAL


def test_only_what_waits_can_begin_to_run() -> None:
    assert {state for state in State if State.RUNNING in TRANSITIONS[state]} == CLAIMABLE | {State.RUNNING}


def test_what_has_not_started_can_be_cancelled() -> None:
    assert {state for state in State if State.CANCELLED in TRANSITIONS[state]} == CANCELLABLE


def test_every_state_leads_to_an_end() -> None:
    ending = set(TERMINAL)
    while more := {state for state in State if TRANSITIONS[state] & ending} - ending:
        ending |= more
    assert ending == set(State)


def test_pending_reads_as_ready_from_its_due_time_on() -> None:
    assert displayed_state(State.PENDING, 1000, 999) is State.PENDING
    assert displayed_state(State.PENDING, 1000, 1000) is State.READY
    assert displayed_state(State.RETRY, 1000, 1000) is State.RETRY
