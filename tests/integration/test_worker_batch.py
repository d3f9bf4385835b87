"""A batch: side by side, suspects alone, one wake-up's trouble nobody else's."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from functions.core.states import State
from tests.integration.cloud import event
from tests.integration.scene import Scene


def test_ten_plain_functions_run_side_by_side(scene: Scene) -> None:
    """Each waits for all: one after another, none would end."""
    together = threading.Barrier(10)
    scene.handle("NOTE", lambda ctx, payload: together.wait(20))
    records = event("worker", "ten")["Records"]
    ids = [f"01kgdz6m00{letter * 16}" for letter in "abcdefghjk"]
    for task_id in ids:
        scene.put(task_id)
    assert scene.deliver(*records) == []
    assert {scene.task(task_id).state for task_id in ids} == {State.SUCCESS}


def test_suspects_run_after_all_others_and_alone(scene: Scene) -> None:
    """The worker of both died: one of them may have killed it."""
    lock, running = threading.Lock(), set[str]()

    def handler(ctx: Any, payload: Any) -> None:
        with lock:
            running.add(ctx.task_id)
            scene.ran.append((ctx.task_id, sorted(running)))
        scene.task(ctx.task_id)
        with lock:
            running.discard(ctx.task_id)

    scene.handle("NOTE", handler)
    scene.running(lease=-1, task_id="suspect-1")
    scene.put("good-1")
    scene.running(lease=-1, task_id="suspect-2")
    scene.put("good-2")
    ids = ["suspect-1", "good-1", "suspect-2", "good-2"]
    assert scene.deliver(*(scene.message(task_id) for task_id in ids)) == []
    assert [task_id for task_id, _ in scene.ran[2:]] == ["suspect-1", "suspect-2"]
    assert all(beside == [task_id] for task_id, beside in scene.ran[2:])
    assert [scene.task(task_id).attempt for task_id in ids] == [2, 1, 2, 1]


def test_a_poison_task_costs_its_neighbours_one_attempt_at_most(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker dies under it each time (here: an error that nothing catches); it ends as DEAD, they do not."""

    class Killed(BaseException):
        pass

    from functions.worker.pipeline import Pipeline

    run = Pipeline._run

    def deadly(pipeline: Pipeline, task: Any, ends_at: int) -> Any:
        if task.id == "poison":
            raise Killed
        return run(pipeline, task, ends_at)

    monkeypatch.setattr(Pipeline, "_run", deadly)
    scene.put("poison")
    scene.put("neighbour")
    # The first time, its neighbours ran beside it, and died with it: here, one that had just been claimed.
    with pytest.raises(Killed):
        scene.deliver(scene.message("poison"))
    scene.running(lease=62, task_id="neighbour")
    for receives, neighbour in ((2, State.RUNNING), (3, State.SUCCESS)):
        scene.clock.advance(70)
        messages = [scene.message("poison", receives=receives), scene.message("neighbour", receives=receives)]
        with pytest.raises(Killed):
            scene.deliver(*messages)
        assert scene.task("neighbour").state is neighbour, "who has lost fewer attempts comes first"
    scene.clock.advance(70)
    assert scene.deliver(scene.message("poison", receives=4)) == []
    assert scene.task("poison").state is State.DEAD
    assert scene.outcomes("poison") == ["LOST"] * 3
    assert scene.task("neighbour").attempt == 2


def test_only_what_is_not_done_stays(scene: Scene) -> None:
    scene.put("done")
    scene.running(lease=30, task_id="held")
    kept = scene.deliver(
        scene.message("done", number=1), scene.message("held", number=2), scene.message("absent", number=3)
    )
    assert kept == ["message-2", "message-3"]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError(), RecursionError()])
def test_no_error_of_one_reaches_the_others(scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    from functions.store.tasks import TaskStore

    claim = TaskStore.claim

    def broken(store: TaskStore, tenant: str, task_id: str, *args: Any, **kwargs: Any) -> Any:
        if task_id == "broken":
            raise error
        return claim(store, tenant, task_id, *args, **kwargs)

    monkeypatch.setattr(TaskStore, "claim", broken)
    scene.put("fine")
    scene.put("broken")
    assert scene.deliver(scene.message("broken", number=1), scene.message("fine", number=2)) == ["message-1"]
    assert scene.task("fine").state is State.SUCCESS


def test_a_visibility_that_cannot_be_changed_is_no_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.aws.queues import Queues

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Queues, "change_visibility", broken)
    assert scene.deliver(scene.message(number=1)) == ["message-1"]


def test_an_empty_batch(scene: Scene) -> None:
    assert scene.deliver() == []
