"""Every write of the store against every state: what it does follows the table, what it may not do is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from functions.core.outcomes import Failed, Succeeded
from functions.core.settlement import settle
from functions.core.states import CANCELLABLE, CLAIMABLE, DEAD_LETTER_STATES, TERMINAL, TRANSITIONS, State
from functions.core.task import Document, Task
from functions.store.keys import task_key
from functions.store.tasks import Applied, Rejected, TaskStore, WriteResult
from tests.integration.cloud import TABLE, TENANT
from tests.integration.scene import ID, Scene

Write = Callable[[TaskStore, Task, int], WriteResult]
RUNNING = frozenset({State.RUNNING})
BLOCKED = frozenset({State.BLOCKED})

WRITES: dict[str, tuple[frozenset[State], Write]] = {
    "claim": (CLAIMABLE, lambda store, task, now: claim(store, now, generation=task.generation)),
    "take over": (RUNNING, lambda store, task, now: store.take_over(task, now=now, lease_until=now + 1, holder="me")),
    "give up": (RUNNING, lambda store, task, now: store.give_up(task, now=now)),
    "succeed": (
        RUNNING,
        lambda store, task, now: store.settle(task, settle(task, Succeeded(), now=now), result=Document("1")),
    ),
    "fail": (
        RUNNING,
        lambda store, task, now: store.settle(task, settle(task, Failed("E", "m", permanent=True), now=now)),
    ),
    "retry": (RUNNING, lambda store, task, now: store.settle(task, settle(task, Failed("E", "m"), now=now))),
    "progress": (RUNNING, lambda store, task, now: store.progress(task, fraction=0.5, note="half", now=now)),
    "cancel": (CANCELLABLE, lambda store, task, now: store.cancel(task, now=now, reason="by request")),
    "change": (CANCELLABLE, lambda store, task, now: store.change(task, priority=9)),
    "release": (BLOCKED, lambda store, task, now: store.release(task, now=now)),
    "skip": (BLOCKED, lambda store, task, now: store.skip(task, now=now, reason="r")),
    "discard": (BLOCKED, lambda store, task, now: store.discard_waiting(TENANT, ID, "other")),
}


def claim(store: TaskStore, now: int, *, generation: int = 1) -> WriteResult:
    return store.claim(TENANT, ID, generation, now=now, lease_until=now + 5, holder="me")


def stands(scene: Scene, state: State) -> Task:
    if state is State.RUNNING:
        return scene.running(lease=0)
    return scene.put(state=state, attempt=int(state in TERMINAL))


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_allowed_in_its_states_and_follows_the_table(scene: Scene, name: str) -> None:
    allowed, write = WRITES[name]
    for state in State:
        before = stands(scene, state)
        answer = write(scene.store, before, scene.clock.now)
        after = scene.task()
        assert isinstance(answer, Applied) == (state in allowed), f"{name} of a task that is {state}"
        assert answer.task == after, "the answer is the task as it is"
        if isinstance(answer, Rejected):
            assert after == before
        elif after.state is not state:
            assert after.state in TRANSITIONS[state]
        assert (after.expires_at is not None) == (after.state in TERMINAL and after.state is not state)


@pytest.mark.parametrize("name", sorted(WRITES))
def test_no_write_makes_a_task_that_is_not_there(scene: Scene, name: str) -> None:
    allowed, write = WRITES[name]
    before = stands(scene, next(iter(allowed)))
    scene.aws.client("dynamodb").delete_item(TableName=TABLE, Key=task_key(TENANT, ID))
    assert write(scene.store, before, scene.clock.now) == Rejected(None)
    assert scene.store.flag_dependents(TENANT, ID) is None
    assert scene.aws.items() == []


@pytest.mark.parametrize(
    ("fields", "claims"),
    [
        ({}, True),
        ({"generation": 2}, False),
        ({"available_at": 1_770_000_000_001}, False),
        ({"available_at": 1_770_000_000_000}, True),
    ],
)
def test_a_claim_is_of_the_generation_announced_and_when_due(
    scene: Scene, fields: dict[str, Any], claims: bool
) -> None:
    scene.put(**fields)
    assert isinstance(claim(scene.store, scene.clock.now), Applied) == claims


def test_a_claim_clears_what_the_attempt_before_left(scene: Scene) -> None:
    scene.put(state=State.RETRY, attempt=1, reason="attempt 1 of 3 failed")
    claimed = claim(scene.store, scene.clock.now).task
    assert claimed is not None
    assert (claimed.reason, claimed.progress, claimed.attempt, claimed.holder) == (None, None, 2, "me")


@pytest.mark.parametrize("name", ["take over", "give up"])
def test_a_live_lease_is_not_taken(scene: Scene, name: str) -> None:
    before = scene.running(lease=0.001)
    assert isinstance(WRITES[name][1](scene.store, before, scene.clock.now), Rejected)


@pytest.mark.parametrize("name", ["take over", "give up", "succeed", "retry", "progress"])
def test_an_old_fence_is_refused(scene: Scene, name: str) -> None:
    before = scene.running(lease=-1, attempt=1)
    scene.running(lease=-1, attempt=2)
    assert isinstance(WRITES[name][1](scene.store, before, scene.clock.now), Rejected)
    assert scene.task().attempt == 2


@pytest.mark.parametrize("name", ["cancel", "change", "release", "skip"])
def test_what_changed_since_it_was_read_is_refused(scene: Scene, name: str) -> None:
    before = scene.put(state=State.BLOCKED)
    scene.put(state=State.BLOCKED, generation=2)
    assert isinstance(WRITES[name][1](scene.store, before, scene.clock.now), Rejected)


def test_a_cancel_is_refused_when_somebody_began_to_wait(scene: Scene) -> None:
    """That one is owed a wake-up before the cancel is written."""
    before = scene.put()
    scene.store.flag_dependents(TENANT, ID)
    assert isinstance(scene.store.cancel(before, now=scene.clock.now, reason="r"), Rejected)
    assert isinstance(scene.store.cancel(scene.task(), now=scene.clock.now, reason="r"), Applied)


def test_an_id_is_taken_once(scene: Scene) -> None:
    first = scene.put(digest="first")
    assert scene.store.create(first.with_changes(digest="second")) == Rejected(first)


def test_the_set_of_what_it_waits_for_is_gone_when_it_is_empty(scene: Scene) -> None:
    task = scene.put(state=State.BLOCKED, waiting_for=frozenset({"a", "b"}))
    assert isinstance(scene.store.release(task, now=scene.clock.now), Rejected), "what still waits is not released"
    for upstream, left in (("a", {"b"}), ("a", {"b"}), ("b", set()), ("b", set())):
        answer = scene.store.discard_waiting(TENANT, ID, upstream)
        assert isinstance(answer, Applied)
        assert answer.task.waiting_for == left
    assert isinstance(scene.store.release(task, now=scene.clock.now), Applied)


@pytest.mark.parametrize("name", ["succeed", "fail", "give up"])
def test_dead_letters_are_listed_and_only_they(scene: Scene, name: str) -> None:
    before = scene.running(lease=0)
    WRITES[name][1](scene.store, before, scene.clock.now)
    [item] = scene.aws.items()
    assert ("deadPk" in item) == (scene.task().state in DEAD_LETTER_STATES)


def test_a_payload_that_moves_leaves_no_trace_where_it_was(scene: Scene) -> None:
    task = scene.put(payload=Document('{"a":1}'))
    for payload in (Document(ref="item:PAYLOAD#x"), Document("{}")):
        changed = scene.store.change(task, payload=payload).task
        assert changed is not None
        assert changed.payload == payload


def test_many_are_read_at_once(scene: Scene) -> None:
    ids = [f"t{at}" for at in range(120)]
    for task_id in ids:
        scene.put(task_id)
    scene.aws.forget_calls()
    assert set(scene.store.get_by_ids(TENANT, [*ids, "absent", "t1"], consistent=True)) == set(ids)
    assert scene.aws.called() == ["dynamodb.BatchGetItem"] * 2
