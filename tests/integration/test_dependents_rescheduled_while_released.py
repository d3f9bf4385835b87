"""A request reschedules a dependent between the wake-up and the write by which its last upstream releases it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from functions.core.states import State
from functions.runtime import wiring
from functions.runtime.dispatch import Dispatcher
from functions.runtime.environment import WorkerEnvironment
from functions.store.tasks import Applied
from tests.integration.cloud import TENANT
from tests.integration.scene import Scene


class ReschedulingDispatcher:
    """A dispatcher; right after it sent the first wake-up, the task that this announces is changed."""

    def __init__(self, real: Dispatcher, scene: Scene, change: dict[str, Any]) -> None:
        self.real, self.scene, self.change = real, scene, change

    def dispatch(self, task: Any, **given: Any) -> None:
        self.real.dispatch(task, **given)
        change, self.change = self.change, {}
        if change:
            assert isinstance(self.scene.store.change(self.scene.task(task.id), **change), Applied)


def released(scene: Scene, **change: Any) -> Any:
    scene.put("a", state=State.SUCCESS)
    scene.put("c", state=State.BLOCKED, dependencies=("a",), waiting_for=frozenset({"a"}))
    scene.store.add_dependent(TENANT, "a", "c")
    scene.store.flag_dependents(TENANT, "a")
    scene.aws.forget_calls()
    consequences = wiring.consequences(WorkerEnvironment(os.environ))
    moved = ReschedulingDispatcher(consequences.dispatcher, scene, change)
    replace(consequences, dispatcher=moved).run(scene.task("a"))
    return scene.task("c")


def test_dependent_rescheduled_while_released_keeps_new_time(scene: Scene) -> None:
    later = scene.clock.now + 60_000
    task = released(scene, available_at=later)
    assert (task.state, task.available_at) == (State.PENDING, later)
    assert [sent["delay"] for sent in scene.aws.wakeups()] == [0, 60]


def test_dependent_moved_to_other_lane_while_released_wakes_in_new_lane(scene: Scene) -> None:
    task = released(scene, priority=9)
    assert (task.state, task.priority) == (State.READY, 9)
    assert [sent["lane"] for sent in scene.aws.wakeups()] == ["normal", "high"]
