"""The wake-up of a redrive, which is sent while its task still is a dead letter."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from functions.core.states import REDRIVE_TRANSITIONS, State
from functions.dead_letter import handler as dead_letter
from tests.integration.scene import Scene

WRITER_GONE = 60 + 30


@pytest.mark.parametrize("state", list(REDRIVE_TRANSITIONS))
def test_waits_for_its_write_as_any_other(scene: Scene, state: State) -> None:
    """Deleted for being settled, it would be missing when the write lands: nothing else wakes the task."""
    dead = scene.put(state=state, generation=2, attempt=3)
    assert scene.deliver(scene.message(generation=3, number=7)) == ["message-7"]
    scene.store.redrive(dead, at=scene.clock.now, attempts=1, by="me", now=scene.clock.now)
    assert scene.deliver(scene.message(generation=3)) == []
    task = scene.task()
    assert (task.state, task.attempt, task.retry.max_attempts) == (State.SUCCESS, 4, 4)


def test_whose_write_never_came_runs_consequences_and_goes(scene: Scene) -> None:
    """The redrive died in between: it never was answered."""
    scene.put(state=State.DEAD, generation=2)
    assert scene.deliver(scene.message(generation=3, age=WRITER_GONE)) != []
    assert scene.deliver(scene.message(generation=3, age=WRITER_GONE + 1)) == []
    assert scene.task().state is State.DEAD


def test_in_the_dead_letter_queue_it_waits_too(scene: Scene) -> None:
    scene.put(state=State.DEAD, generation=2)

    def failures(age: float, generation: int) -> list[dict[str, str]]:
        record = scene.message(generation=generation, age=age)
        context = SimpleNamespace(aws_request_id="r")
        answered: list[dict[str, str]] = dead_letter.handler({"Records": [record]}, context)["batchItemFailures"]
        return answered

    assert failures(0, 3) != []
    assert failures(WRITER_GONE + 1, 3) == []
    assert failures(0, 2) == []


def test_two_redrives_at_once_are_one(scene: Scene) -> None:
    """The refused one leaves a wake-up too many, which is superseded or finds the task already run."""
    dead = scene.put(state=State.DEAD, generation=2, attempt=3)
    for _ in range(2):
        scene.store.redrive(dead, at=scene.clock.now, attempts=1, by="me", now=scene.clock.now)
    for _ in range(2):
        assert scene.deliver(scene.message(generation=3)) == []
    assert (scene.ran, scene.task().attempt) == ([{}], 4)
