"""A wake-up that arrives just before the write that it announces."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from functions.core.states import State
from functions.worker.pipeline import FRESH_MS, OVERTAKEN_SECONDS
from tests.integration.scene import Scene


@pytest.fixture
def paused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], list[float]]:
    """What happens while the worker pauses; how long it meant to."""

    def during(happens: Callable[[], object]) -> list[float]:
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            happens()

        monkeypatch.setattr(time, "sleep", pause)
        return pauses

    return during


def test_is_claimed_when_the_write_lands_a_moment_later(scene: Scene, paused) -> None:
    pauses = paused(scene.put)
    assert scene.deliver(scene.message()) == []
    assert scene.task().state is State.SUCCESS
    assert pauses == [OVERTAKEN_SECONDS[0]]
    assert scene.shown_again() == []


def test_goes_back_when_the_write_does_not_land(scene: Scene, paused) -> None:
    pauses = paused(lambda: None)
    assert scene.deliver(scene.message(number=7)) == ["message-7"]
    assert pauses == list(OVERTAKEN_SECONDS)
    assert scene.shown_again() == [2]


def test_an_old_wake_up_is_not_waited_for(scene: Scene, paused) -> None:
    pauses = paused(lambda: None)
    scene.deliver(scene.message(age=FRESH_MS / 1000 + 1))
    assert pauses == []
