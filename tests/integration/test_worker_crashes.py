"""The worker killed before each of its calls in turn: nothing is lost, nothing runs twice under a live lease, attempts
are charged as they were begun, dependents are released once, an old fence writes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from functions.core.states import State
from functions.core.task import Task
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import START, Clock
from tests.integration.mortal import Underworld, underworld
from tests.integration.scene import Scene

pytestmark = pytest.mark.xdist_group("worker crashes")
VISIBILITY = 70
LEASE = 62
"""Seconds: the function's 60, and the margin."""


@dataclass
class World:
    """`scene` writes records and makes messages; `under` runs them."""

    under: Underworld
    scene: Scene
    _pipes: list[int] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        self.scene.clock.advance(seconds)
        self.under.now = self.scene.clock.now

    def rest(self, *messages: dict[str, Any], receives: int = 1) -> None:
        """Delivers these, and whatever is sent, again and again until nothing is left."""
        left = {message["messageId"]: message for message in messages}
        for again in range(12):
            for wakeup in self.under.take_wakeups():
                sent = self.scene.message(wakeup["task"], generation=wakeup["generation"])
                left[sent["messageId"]] = sent
            if not left:
                return
            for message in left.values():
                message["attributes"]["ApproximateReceiveCount"] = str(receives + again)
            delivery = self.under.deliver(*left.values())
            assert delivery.kept is not None
            left = {kept: left[kept] for kept in delivery.kept}
            self.advance(VISIBILITY)
        raise AssertionError("does not come to rest")

    def task(self, task_id: str) -> Task:
        return self.scene.task(task_id)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One server for all crashes of this file: every story has task ids of its own."""
    with underworld(tmp_path_factory.mktemp("notes") / "lines", now=START) as under:
        scene = Scene(Cloud(env=dict(os.environ)), Clock(START))
        scene.types = under.types
        yield World(under, scene)


@pytest.fixture
def world(shared: World) -> World:
    shared.under.take_wakeups()
    shared.under.notes.unlink(missing_ok=True)
    note = shared.under.note

    def succeed(ctx: Any, payload: Any) -> str:
        note(f"{ctx.task_id} {ctx.attempt}")
        ctx.progress(0.5)
        return "done"

    def fail_once(ctx: Any, payload: Any) -> str:
        note(f"{ctx.task_id} {ctx.attempt}")
        if not ctx.tags.get("failed") and ctx.attempt == 1:
            raise RuntimeError("the first time")
        return "done"

    def send_mail(ctx: Any, payload: Any) -> Any:
        return ctx.once("send", lambda: note(f"{ctx.task_id} sent"))

    for name, handler in (("SUCCEED", succeed), ("FAIL_ONCE", fail_once), ("SEND", send_mail)):
        shared.scene.handle(name, handler)
    return shared


def executions(world: World, task_id: str) -> list[int]:
    """Attempt numbers, in the order in which they ran."""
    return [int(line.split()[1]) for line in world.under.noted() if line.split()[0] == task_id]


def crash(world: World, task_id: str, before: int) -> bool:
    """Delivers the task's wake-up to a worker that dies before that call; then again: once while the lease may be
    live, and from its end on until all is at rest. False: it had no such call to make."""
    message = world.scene.message(task_id)
    died = world.under.deliver(message, dies_before=before)
    claimed = world.task(task_id).state is State.RUNNING
    ran = executions(world, task_id)
    if claimed:
        world.advance(LEASE - 1)
        message["attributes"]["ApproximateReceiveCount"] = "2"
        assert world.under.deliver(message).kept == [message["messageId"]], "never deleted"
        assert executions(world, task_id) == ran, "not under a live lease"
    world.advance(VISIBILITY)
    world.rest(message, receives=2)
    return len(died.calls) == before - 1


@pytest.mark.parametrize(
    ("before", "charged"),
    [
        pytest.param(1, 1, id="the claim"),
        pytest.param(2, 2, id="the handler's own write"),
        pytest.param(3, 2, id="the settle"),
        pytest.param(4, 1, id="the end, all done"),
    ],
)
def test_a_task_that_succeeds(world: World, before: int, charged: int) -> None:
    task_id = f"succeeds-{before}"
    world.scene.put(task_id, type="SUCCEED")
    assert crash(world, task_id, before)
    task = world.task(task_id)
    assert (task.state, task.attempt) == (State.SUCCESS, charged)
    assert [attempt.outcome for attempt in task.history] == ["LOST"] * (charged - 1)
    assert executions(world, task_id) == list(range(1, charged + 1))


@pytest.mark.parametrize(
    ("before", "outcomes", "executed"),
    [
        pytest.param(1, ["RETRY"], [1, 2], id="the claim"),
        pytest.param(2, ["LOST"], [1, 2], id="the next wake-up"),
        pytest.param(3, ["LOST"], [1, 2], id="the record of the retry"),
        pytest.param(4, ["RETRY"], [1, 2], id="the end, all done"),
    ],
)
def test_a_task_that_is_retried(world: World, before: int, outcomes: list[str], executed: list[int]) -> None:
    """A crash between message and record leaves a wake-up of a generation that never came: it is dropped."""
    task_id = f"retried-{before}"
    world.scene.put(task_id, type="FAIL_ONCE")
    assert crash(world, task_id, before)
    task = world.task(task_id)
    assert (task.state, task.attempt) == (State.SUCCESS, 2)
    assert [attempt.outcome for attempt in task.history] == outcomes
    assert executions(world, task_id) == executed
    assert task.generation == (2 if outcomes == ["RETRY"] else 1)


@pytest.mark.parametrize("state", [State.SUCCESS, State.FAILED])
def test_a_task_with_two_dependents(world: World, state: State) -> None:
    """At every call there is: claim, settle, and between each two consequences."""
    from taskyard.tasks.errors import Permanent

    def end(ctx: Any, payload: Any) -> None:
        if state is State.FAILED:
            raise Permanent("as asked")

    world.scene.handle("END", end)
    for before in range(1, 30):
        upstream, dependents = f"{state}-{before}-up", [f"{state}-{before}-{which}" for which in ("a", "b")]
        for dependent in dependents:
            world.scene.put(
                dependent,
                type="SUCCEED",
                state=State.BLOCKED,
                dependencies=(upstream,),
                waiting_for=frozenset({upstream}),
            )
            world.scene.store.add_dependent(TENANT, upstream, dependent)
        world.scene.put(upstream, type="END", has_dependents=True)
        more = crash(world, upstream, before)
        assert (world.task(upstream).state, world.task(upstream).attempt) == (state, 2 if before == 2 else 1)
        for dependent in dependents:
            task = world.task(dependent)
            assert task.generation == 2, "released, or skipped, once"
            if state is State.SUCCESS:
                assert (task.state, task.attempt) == (State.SUCCESS, 1), f"crash before call {before}"
                assert executions(world, dependent) == [1]
            else:
                assert (task.state, task.attempt) == (State.SKIPPED, 0), f"crash before call {before}"
        if not more:
            break
    assert before >= 7, "the claim, the settle, the edges, and two calls a dependent"


@pytest.mark.parametrize(
    ("before", "state", "sent"),
    [
        pytest.param(1, State.SUCCESS, 1, id="the claim"),
        pytest.param(2, State.SUCCESS, 1, id="the reservation"),
        pytest.param(3, State.FAILED, 1, id="the note that it is done"),
        pytest.param(4, State.SUCCESS, 1, id="the settle"),
        pytest.param(5, State.SUCCESS, 1, id="the end, all done"),
    ],
)
def test_an_effect_happens_at_most_once(world: World, before: int, state: State, sent: int) -> None:
    task_id = f"sends-{before}"
    world.scene.put(task_id, type="SEND")
    message = world.scene.message(task_id)
    world.under.deliver(message, dies_before=before)
    world.advance(VISIBILITY)
    world.rest(message, receives=2)
    assert world.task(task_id).state is state, "in doubt, the handler is told, and this one gives up"
    assert world.under.noted() == [f"{task_id} sent"] * sent


def test_a_task_that_kills_its_worker_is_dead_in_the_end(world: World) -> None:
    def poison(ctx: Any, payload: Any) -> None:
        world.under.note(f"{ctx.task_id} {ctx.attempt}")
        os._exit(17)

    world.scene.handle("POISON", poison)
    world.scene.put("poison", type="POISON")
    world.scene.put("neighbour", type="SUCCEED")
    poisoned, good = world.scene.message("poison"), world.scene.message("neighbour")
    receives = 1
    while world.under.deliver(poisoned, good).kept is None:
        world.advance(VISIBILITY)
        receives += 1
        for message in (poisoned, good):
            message["attributes"]["ApproximateReceiveCount"] = str(receives)
    task = world.task("poison")
    assert (task.state, task.attempt) == (State.DEAD, 3)
    assert [attempt.outcome for attempt in task.history] == ["LOST"] * 3
    assert executions(world, "poison") == [1, 2, 3]
    world.rest(good, receives=receives)
    assert world.task("neighbour").state is State.SUCCESS
    assert world.task("neighbour").attempt <= 2, "charged for the first crash at the most"


def test_a_zombie_that_wakes_after_its_successor_writes_nothing(world: World, tmp_path: Path) -> None:
    """Two processes: the first is held up in its handler until the second has taken over and settled."""
    release = tmp_path / "release"
    os.mkfifo(release)

    def held_up(ctx: Any, payload: Any) -> str:
        world.under.note(f"{ctx.task_id} {ctx.attempt}")
        if ctx.attempt == 1:
            release.read_text()
        return f"of attempt {ctx.attempt}"

    world.scene.handle("HELD", held_up)
    world.scene.put("zombie", type="HELD")
    message = world.scene.message("zombie")

    def succeed_it() -> None:
        while executions(world, "zombie") != [1]:
            time.sleep(0.005)
        world.advance(LEASE)
        message["attributes"]["ApproximateReceiveCount"] = "2"
        assert world.under.deliver(message).kept == []
        release.write_text("go on")

    zombie = world.under.deliver(message, meanwhile=succeed_it)
    assert zombie.kept == [], "settled by the other"
    task = world.task("zombie")
    assert (task.state, task.attempt) == (State.SUCCESS, 2)
    assert task.result is not None
    assert task.result.inline == '"of attempt 2"'
    assert executions(world, "zombie") == [1, 2]
