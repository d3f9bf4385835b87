"""Notifications: which targets an end has, their names and bodies."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from taskyard.tasks.retry import RetryPolicy

from functions.core.notifications.events import Notification, display_target, run_notifications, task_notifications
from functions.core.states import TERMINAL, State
from functions.core.task import Attempt, Document, Task
from functions.core.workflows.run import Run, RunState

HOOK = {"webhook": "https://hooks.example.com/services/T0/secret-token?x=y"}
NIGHT = {"email": "night@example.com", "on": "failure"}
GLAD = {"email": "glad@example.com", "on": "success"}


def task(state: State = State.SUCCESS, **fields: Any) -> Task:
    return Task(
        **{
            "tenant": "t",
            "id": "01kgdz6m00aaaaaaaaaaaaaaaa",
            "type": "NOTE",
            "state": state,
            "created_at": 1_770_000_000_000,
            "available_at": 1_770_000_000_000,
            "ended_at": 1_770_000_005_000,
            "timeout_seconds": 30,
            "retry": RetryPolicy(),
            "payload": Document("{}"),
            "digest": "",
            "notify": (HOOK, NIGHT, GLAD),
        }
        | fields
    )


def run(state: RunState, **fields: Any) -> Run:
    return Run(
        **{
            "tenant": "t",
            "id": "01kgdz6m00bbbbbbbbbbbbbbbb",
            "name": "nightly",
            "state": state,
            "nodes": 3,
            "edges": 2,
            "created_at": 1,
            "ended_at": 2,
            "deadline_seconds": 60,
            "definition": Document("[]"),
            "digest": "",
            "notify": (HOOK, NIGHT, GLAD),
        }
        | fields
    )


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_targets_of_every_end_but_success_are_those_of_failure(state: State) -> None:
    told = [note.target for note in task_notifications(task(state))]
    assert told == ([0, 2] if state is State.SUCCESS else [0, 1])
    [first, *_] = task_notifications(task(state))
    assert first.body["type"] == f"task.{'succeeded' if state is State.SUCCESS else state.lower()}"


@pytest.mark.parametrize("state", sorted(set(State) - TERMINAL))
def test_task_that_has_not_ended_has_no_notifications(state: State) -> None:
    assert list(task_notifications(task(state))) == []


@pytest.mark.parametrize("state", sorted(RunState))
def test_run_notifications_follow_its_end_state(state: RunState) -> None:
    told = [note.target for note in run_notifications(run(state))]
    open_ = state in (RunState.PENDING, RunState.RUNNING)
    assert told == ([] if open_ else [0, 2] if state is RunState.SUCCESS else [0, 1])


def test_notification_name_follows_from_record() -> None:
    assert [note.name for note in task_notifications(task())] == [note.name for note in task_notifications(task())]


@pytest.mark.parametrize(
    "change", [{"generation": 2}, {"ended_at": 1_770_000_005_001}, {"id": "01kgdz6m00cccccccccccccccc"}]
)
def test_notification_names_of_another_end_differ(change: dict[str, Any]) -> None:
    one, other = ({note.name for note in task_notifications(task(**fields))} for fields in ({}, change))
    assert not one & other


@given(generation=st.integers(1, 10**6), index=st.integers(0, 99_999), ended=st.integers(0, 10**13 - 1))
def test_notification_name_fits_execution_name(generation: int, index: int, ended: int) -> None:
    node = task(id=f"01kgdz6m00aaaaaaaaaaaaaaaa-{index}", generation=generation, ended_at=ended)
    for note in task_notifications(node):
        assert re.fullmatch(r"[0-9a-z-]{1,80}", note.name)


def test_notification_to_input_and_from_input_round_trip() -> None:
    for note in task_notifications(task(result=Document(ref="item:RESULT#1"), expires_at=5)):
        assert Notification.from_input(json.loads(json.dumps(note.to_input()))) == note


def test_event_of_largest_task_fits_execution_input() -> None:
    attempts = tuple(
        Attempt(
            number=at, started_at=1, ended_at=2, outcome="RETRY", error="é" * 500, where="w" * 200, log=("ü" * 80,) * 50
        )
        for at in range(20)
    )
    tags = {f"{at:02}" + "k" * 62: "ß" * 256 for at in range(20)}
    for note in task_notifications(task(State.DEAD, history=attempts, tags=tags)):
        assert len(json.dumps({"notification": note.to_input()})) < 100_000
        assert len(note.body["data"]["attempts"]) == 5


def test_event_of_failure_has_last_attempt() -> None:
    history = (
        Attempt(number=1, started_at=1, ended_at=2, outcome="RETRY", error_type="A", error="first", log=("one",)),
        Attempt(number=2, started_at=3, ended_at=4, outcome="DEAD", error_type="B", error="second", log=("two",)),
    )
    data = next(task_notifications(task(State.DEAD, history=history))).body["data"]
    assert data["error"] == {"type": "B", "message": "second", "where": None}
    assert data["log"] == ["two"]


def test_event_of_success_has_result_and_log() -> None:
    history = (Attempt(number=1, started_at=1, ended_at=2, outcome="RETRY", error="first", log=("one",)),)
    done = task(history=history, log=("fine",), result=Document('{"n": 1}'))
    data = next(task_notifications(done)).body["data"]
    assert (data["result"], data["error"], data["log"]) == ({"n": 1}, None, ["fine"])


def test_webhook_target_is_displayed_as_origin_only() -> None:
    assert display_target(HOOK) == "https://hooks.example.com"
    assert display_target(NIGHT) == "night@example.com"


def test_notification_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        next(task_notifications(task())).id = "x"  # type: ignore[misc]
