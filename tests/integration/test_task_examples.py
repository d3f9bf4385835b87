"""DELAYED_MESSAGE and FAIL_SOMETIMES."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.core.states import State
from functions.core.task import Document
from functions.tasks.delayed_message import delayed_message
from functions.tasks.fail_sometimes import fail_sometimes
from tests.integration.scene import Scene


def run(scene: Scene, handler: Any, payload: dict[str, Any], *, attempts: int = 1) -> Any:
    kind = scene.add(handler)
    scene.put(type=kind.name, payload=Document(json.dumps(payload)))
    for at in range(attempts):
        assert scene.deliver(scene.message(generation=at + 1)) == []
        scene.clock.advance(10)
    return scene.task()


def test_a_message_is_logged_and_is_the_result(scene: Scene) -> None:
    task = run(scene, delayed_message, {"message": "hello"})
    assert (task.state, task.log, task.result.inline) == (State.SUCCESS, ("hello",), '{"message":"hello"}')


@pytest.mark.parametrize(("probability", "state"), [(0, State.SUCCESS), (1, State.RETRY)])
def test_certain_fortunes(scene: Scene, probability: int, state: State) -> None:
    assert run(scene, fail_sometimes, {"probability": probability}).state is state


def test_a_seed_gives_every_task_the_same_fortune(scene: Scene) -> None:
    fortunes = set()
    for _ in range(3):
        task = run(scene, fail_sometimes, {"probability": 0.5, "seed": 7}, attempts=3)
        fortunes.add((task.state, tuple(attempt.error for attempt in task.history)))
    assert len(fortunes) == 1
