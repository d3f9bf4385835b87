"""Workers of two pools: each runs the types of its own, and sends the wake-ups of others on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel
from taskyard.tasks import task

from functions.core.pools import Pool
from functions.core.states import State
from functions.core.task import Document
from tests.integration.cloud import LANES, create_lane, forget_processes, lanes_variable
from tests.integration.scene import ID, Scene

IMAGES = Pool("images", ("images",), 600, False)


class Size(BaseModel):
    width: int


@pytest.fixture
def scene(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """With the pool `images` and its type RESIZE."""
    create_lane(scene.aws, "images")
    scene.handle("RESIZE", lambda ctx, payload: scene.ran.append("resized"), pool=IMAGES)
    scene.aws.env["LANES"] = lanes_variable((*LANES, "images"))
    monkeypatch.setenv("LANES", scene.aws.env["LANES"])
    return scene


def be_worker_of(lane: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANE", lane)
    forget_processes()


@pytest.mark.parametrize(("lane", "type_"), [("normal", "NOTE"), ("low", "NOTE"), ("images", "RESIZE")])
def test_worker_runs_type_of_its_pool_at_no_extra_call(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, lane: str, type_: str
) -> None:
    be_worker_of(lane, monkeypatch)
    scene.put(type=type_)
    assert scene.deliver(scene.message(type=type_)) == []
    assert len(scene.ran) == 1
    assert scene.aws.called() == ["dynamodb.UpdateItem", "dynamodb.UpdateItem"]


@pytest.mark.parametrize(
    ("lane", "type_", "priority", "right_lane"), [("normal", "RESIZE", 5, "images"), ("images", "NOTE", 9, "high")]
)
@pytest.mark.parametrize("is_named", [True, False], ids=["", "wake-up of an earlier release"])
def test_wakeup_of_other_pool_is_sent_on_unclaimed(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    lane: str,
    type_: str,
    priority: int,
    right_lane: str,
    is_named: bool,
) -> None:
    be_worker_of(lane, monkeypatch)
    scene.put(type=type_, priority=priority)
    assert scene.deliver(scene.message(type=type_ if is_named else "", rounds=2)) == []
    assert scene.ran == []
    assert (scene.task().state, scene.task().attempt) == (State.READY, 0)
    (sent,) = scene.aws.wakeups()
    assert (sent["lane"], sent["type"], sent["generation"], sent["rounds"]) == (right_lane, type_, 1, 2)
    be_worker_of(right_lane, monkeypatch)
    assert scene.deliver_sent() == []
    assert scene.task().state is State.SUCCESS


def test_wakeup_without_type_of_own_pool_runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    be_worker_of("images", monkeypatch)
    scene.put(type="RESIZE")
    assert scene.deliver(scene.message()) == []
    assert scene.ran == ["resized"]


def test_task_whose_last_worker_died_in_other_pool_is_sent_on(scene: Scene) -> None:
    scene.running(lease=-1, type="RESIZE")
    assert scene.deliver(scene.message(type="RESIZE")) == []
    assert [sent["lane"] for sent in scene.aws.wakeups()] == ["images"]
    assert scene.task().attempt == 1


def test_settled_task_of_other_pool_gets_its_consequences(scene: Scene) -> None:
    scene.put("upstream", type="RESIZE", state=State.SUCCESS, has_dependents=True)
    scene.put("waiting", state=State.BLOCKED, dependencies=("upstream",), waiting_for=frozenset({"upstream"}))
    scene.store.add_dependent("123456789012", "upstream", "waiting")
    assert scene.deliver(scene.message("upstream", type="RESIZE")) == []
    assert scene.task("waiting").state is State.READY


def test_wakeup_of_other_pool_before_its_record_stays(scene: Scene) -> None:
    assert scene.deliver(scene.message(type="RESIZE", number=7)) == ["message-7"]
    assert scene.aws.wakeups() == []


def test_type_that_no_pool_has_goes_to_default_pool_and_fails_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_worker_of("images", monkeypatch)
    scene.put(type="GONE")
    assert scene.deliver(scene.message(type="GONE")) == []
    assert [sent["lane"] for sent in scene.aws.wakeups()] == ["normal"]
    be_worker_of("normal", monkeypatch)
    scene.deliver_sent()
    assert scene.task().history[0].error_type == "UnknownTaskType"


def test_retry_wakes_in_lane_of_its_pool(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(ctx: object, payload: object) -> None:
        raise RuntimeError("no")

    scene.handle("RESIZE", fails, pool=IMAGES)
    be_worker_of("images", monkeypatch)
    scene.put(type="RESIZE", priority=9)
    assert scene.deliver(scene.message(type="RESIZE")) == []
    assert [sent["lane"] for sent in scene.aws.wakeups()] == ["images"]


def test_dead_letter_returns_to_lane_of_its_pool(scene: Scene) -> None:
    scene.put(type="RESIZE")
    record = scene.message(type="RESIZE")
    scene.aws.forget_calls()
    assert scene.aws.invoke("dead_letter", {"Records": [record]}) == {"batchItemFailures": []}
    assert [sent["lane"] for sent in scene.aws.wakeups()] == ["images"]


def test_timer_of_other_pool_leads_to_its_queue(scene: Scene) -> None:
    scene.put(type="RESIZE", state=State.PENDING, available_at=scene.clock.now + 3_600_000)
    assert scene.deliver(scene.message(type="RESIZE")) == []
    (timer,) = scene.aws.timers()
    assert timer["Target"]["Arn"] == scene.aws.lanes()["images"].arn
    assert timer["Target"]["DeadLetterConfig"]["Arn"] == scene.aws.lanes()["images"].dead_letter_arn


def test_lane_that_the_deployment_does_not_have_leaves_the_message(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New code with the variables of before, for some seconds of a deployment."""
    reports = Pool("reports", ("reports",), 60, True)
    scene.handle("REPORT", lambda ctx, payload: None, pool=reports)
    scene.put(type="REPORT")
    assert scene.deliver(scene.message(type="REPORT", number=7)) == ["message-7"]
    assert scene.task().state is State.READY


def test_worker_waits_for_the_longest_writer_of_all_pools(scene: Scene) -> None:
    assert scene.deliver(scene.message(type="NOTE", age=600 + 29, number=7)) == ["message-7"]
    assert scene.deliver(scene.message(type="NOTE", age=600 + 31)) == []


def test_wakeup_names_the_type_of_its_task(scene: Scene) -> None:
    scene.put(state=State.PENDING, available_at=scene.clock.now + 30_000)
    scene.deliver(scene.message())
    assert json.loads(scene.aws.calls[-1].parameters["MessageBody"])["type"] == "NOTE"
    assert scene.task(ID).type == "NOTE"


@pytest.mark.parametrize("is_coroutine", [False, True])
def test_payload_that_does_not_fit_the_model_fails_at_once(scene: Scene, is_coroutine: bool) -> None:
    @task("SIZED")
    def handler(ctx: Any, payload: Size) -> None: ...

    @task("SIZED")
    async def coroutine(ctx: Any, payload: Size) -> None: ...

    scene.add(coroutine if is_coroutine else handler)
    scene.put(type="SIZED", payload=Document('{"width":"wide"}'))
    assert scene.deliver(scene.message(type="SIZED")) == []
    failed = scene.task()
    assert (failed.state, failed.attempt) == (State.FAILED, 1)
    assert failed.history[0].error_type == "InvalidPayload"
    assert str(failed.history[0].error).startswith("payload.width: ")
