"""What a settled task does to those that wait for it; and what whoever dies in the middle leaves to the next."""

from __future__ import annotations

import os
from typing import Any

import pytest

from functions.core.states import State
from functions.runtime import wiring
from functions.runtime.consequences import Consequences
from functions.runtime.environment import WorkerEnvironment
from functions.store.tasks import TaskStore
from tests.integration.cloud import TENANT
from tests.integration.scene import Scene


@pytest.fixture
def consequences(scene: Scene) -> Consequences:
    return wiring.consequences(WorkerEnvironment(os.environ))


def waits(scene: Scene, task_id: str, *upstreams: str, **fields: Any) -> None:
    scene.put(task_id, state=State.BLOCKED, dependencies=upstreams, waiting_for=frozenset(upstreams), **fields)
    for upstream in upstreams:
        scene.store.add_dependent(TENANT, upstream, task_id)
        scene.store.flag_dependents(TENANT, upstream)


def come_to_rest(scene: Scene) -> None:
    """Delivers wake-ups until none is left, each twice."""
    for _ in range(50):
        sent = scene.aws.wakeups()
        if not sent:
            return
        scene.aws.forget_calls()
        calls = []
        for wakeup in sent * 2:
            scene.deliver(scene.message(wakeup["task"], generation=wakeup["generation"], receives=3))
            calls += scene.aws.calls
        scene.aws.calls[:] = calls
    raise AssertionError("does not come to rest")


def test_the_last_upstream_releases(scene: Scene, consequences: Consequences) -> None:
    for upstream in ("a", "b"):
        scene.put(upstream, state=State.SUCCESS)
    waits(scene, "c", "a", "b")
    consequences.run(scene.task("a"))
    assert (scene.task("c").state, scene.task("c").waiting_for) == (State.BLOCKED, {"b"})
    scene.aws.forget_calls()
    consequences.run(scene.task("b"))
    assert (scene.task("c").state, scene.task("c").generation) == (State.READY, 2)
    [sent] = scene.aws.wakeups()
    assert (sent["task"], sent["generation"]) == ("c", 2)


def test_run_again_they_release_once(scene: Scene, consequences: Consequences) -> None:
    scene.put("a", state=State.SUCCESS)
    waits(scene, "c", "a")
    scene.aws.forget_calls()
    for _ in range(3):
        consequences.run(scene.task("a"))
    assert len(scene.aws.wakeups()) == 1
    assert scene.task("c").generation == 2


def test_released_for_later_it_waits_for_its_time(scene: Scene, consequences: Consequences) -> None:
    scene.put("a", state=State.SUCCESS)
    waits(scene, "c", "a", available_at=scene.clock.now + 60_000)
    scene.aws.forget_calls()
    consequences.run(scene.task("a"))
    assert scene.task("c").state is State.PENDING
    assert [sent["delay"] for sent in scene.aws.wakeups()] == [60]


@pytest.mark.parametrize("state", [State.FAILED, State.DEAD, State.CANCELLED, State.SKIPPED])
def test_what_did_not_succeed_skips_all_that_follow(scene: Scene, consequences: Consequences, state: State) -> None:
    scene.put("a", state=state)
    scene.put("other", state=State.SUCCESS)
    waits(scene, "b", "a", "other")
    waits(scene, "c", "b")
    waits(scene, "d", "b", "c")
    scene.aws.forget_calls()
    consequences.run(scene.task("a"))
    come_to_rest(scene)
    assert {task_id: scene.task(task_id).state for task_id in "bcd"} == dict.fromkeys("bcd", State.SKIPPED)
    assert scene.task("b").reason == f"dependency a ended as {state}"
    assert scene.task("b").expires_at is not None
    assert scene.ran == []


def test_a_graph_of_skips_costs_as_many_steps_as_it_has_edges(scene: Scene, consequences: Consequences) -> None:
    """Eight layers of three, each on all three before: 6,561 paths, 66 edges."""
    scene.put("root", state=State.FAILED)
    before = ["root"]
    for layer in range(8):
        here = [f"n{layer}-{at}" for at in range(3)]
        for task_id in here:
            waits(scene, task_id, *before)
        before = here
    calls: list[str] = []
    scene.aws.forget_calls()
    consequences.run(scene.task("root"))
    while sent := scene.aws.wakeups():
        calls += scene.aws.called()
        scene.aws.forget_calls()
        for wakeup in sent:
            consequences.run(scene.task(wakeup["task"]))
    assert {scene.task(f"n7-{at}").state for at in range(3)} == {State.SKIPPED}
    assert len(calls) < 66 * 6


@pytest.mark.parametrize("upstream_ends", [State.SUCCESS, State.FAILED])
def test_whoever_dies_between_any_two_writes_is_followed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, upstream_ends: State
) -> None:
    """A chain of two, and a crash after every call in turn; then the wake-ups that are in flight."""

    class Dead(BaseException):
        pass

    def story() -> None:
        scene.put("a", state=State.RUNNING, attempt=1, lease_until=1)
        waits(scene, "b", "a")
        waits(scene, "c", "b")
        scene.put("a", state=upstream_ends, has_dependents=True)

    made = 0
    for last in range(30):
        story()
        left, update = [last], TaskStore._write
        run = wiring.consequences(WorkerEnvironment(os.environ))
        send = type(run.dispatcher).dispatch

        def dying(call: Any, left: list[int] = left) -> Any:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                if not left[0]:
                    raise Dead
                left[0] -= 1
                return call(*args, **kwargs)

            return wrapped

        scene.aws.forget_calls()
        with monkeypatch.context() as patched:
            patched.setattr(TaskStore, "_write", dying(update))
            patched.setattr(type(run.dispatcher), "dispatch", dying(send))
            try:
                run.run(scene.task("a"))
            except Dead:
                made += 1
        # The message of the settled task comes again, after whatever had been sent.
        calls = list(scene.aws.calls)
        scene.deliver(scene.message("a", receives=2))
        scene.aws.calls[:] = calls + scene.aws.calls
        come_to_rest(scene)
        expected = State.SUCCESS if upstream_ends is State.SUCCESS else State.SKIPPED
        assert [scene.task(task_id).state for task_id in "bc"] == [expected, expected], f"crash after {last} calls"
        assert [scene.task(task_id).attempt for task_id in "bc"] == [int(expected is State.SUCCESS)] * 2
        if left[0]:
            break
    assert made >= 2


def test_linking_sees_an_upstream_that_settled_before(scene: Scene, consequences: Consequences) -> None:
    scene.put("a", state=State.SUCCESS)
    task = scene.put("b", state=State.BLOCKED, dependencies=("a",), waiting_for=frozenset({"a"}))
    consequences.link_dependencies(task)
    assert scene.task("b").state is State.READY
    consequences.link_dependencies(task)
    assert scene.task("b").generation == 2


def test_linking_sees_an_upstream_that_failed_before(scene: Scene, consequences: Consequences) -> None:
    scene.put("a", state=State.DEAD)
    task = scene.put("b", state=State.BLOCKED, dependencies=("a",), waiting_for=frozenset({"a"}))
    consequences.link_dependencies(task)
    assert scene.task("b").state is State.SKIPPED


def test_cancelled_while_it_is_released_it_stays_cancelled(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wake-up of its release is in flight, the cancel is faster than the write: those behind it are skipped."""
    scene.put("a", state=State.SUCCESS)
    waits(scene, "b", "a")
    waits(scene, "c", "b")
    run = wiring.consequences(WorkerEnvironment(os.environ))
    release = TaskStore.release

    def cancelled_first(store: TaskStore, task: Any, **kwargs: Any) -> Any:
        run.cancel(scene.task("b"), reason="by request")
        return release(store, task, **kwargs)

    scene.aws.forget_calls()
    with monkeypatch.context() as patched:
        patched.setattr(TaskStore, "release", cancelled_first)
        run.run(scene.task("a"))
    come_to_rest(scene)
    assert [scene.task(task_id).state for task_id in "bc"] == [State.CANCELLED, State.SKIPPED]
    assert scene.ran == []
