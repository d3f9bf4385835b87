"""What TTL's removal of a task leaves behind is deleted: documents, edges, effects; never a successor's."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
from taskyard.tasks.serialization import json_text

from functions.core.states import State
from functions.runtime import wiring
from functions.runtime.environment import WorkerEnvironment
from functions.store.effects import Effects
from functions.store.keys import task_key
from tests.integration.cloud import BUCKET, TABLE, TENANT, event
from tests.integration.scene import ID, Scene
from tests.integration.stream import Stream, sequence

BIG = "x" * 300_000


def settled_with_everything(scene: Scene) -> dict[str, Any]:
    """A task with a payload in an item, a result in S3, an edge and an effect. Its record."""
    documents = wiring.documents(WorkerEnvironment(os.environ), BUCKET)
    payload = documents.store_payload(TENANT, ID, {"data": "x" * 1000})
    result = documents.store_result(TENANT, ID, json_text(BIG))
    task = scene.put(state=State.SUCCESS, payload=payload, result=result, has_dependents=True)
    scene.store.add_dependent(TENANT, ID, "other")
    Effects(scene.store.table, documents).reserve(task, "send", token="t", now=scene.clock.now)
    return record_of(scene)


def record_of(scene: Scene) -> dict[str, Any]:
    return next(item for item in scene.aws.items() if item["sk"]["S"] == "TASK")


def remove(scene: Scene) -> None:
    scene.aws.client("dynamodb").delete_item(TableName=TABLE, Key=task_key(TENANT, ID))


def left(scene: Scene) -> tuple[list[str], list[str]]:
    """Sort keys of the task's items, and names of objects."""
    partition = task_key(TENANT, ID)["pk"]
    items = sorted(item["sk"]["S"].partition("#")[0] for item in scene.aws.items() if item["pk"] == partition)
    listed = scene.aws.client("s3").list_objects_v2(Bucket=BUCKET)
    return items, [found["Key"] for found in listed.get("Contents", [])]


def observe(scene: Scene, *records: dict[str, Any]) -> list[dict[str, str]]:
    scene.aws.forget_calls()
    failures: list[dict[str, str]] = scene.aws.invoke("observer", Stream().batch(*records))["batchItemFailures"]
    return failures


def test_all_of_it_goes_and_again_is_no_error(scene: Scene) -> None:
    gone = Stream().record(settled_with_everything(scene), None, by_ttl=True)
    scene.put("neighbour")
    remove(scene)
    assert left(scene)[0] == ["DEPENDENT", "EFFECT", "PAYLOAD"]
    assert observe(scene, gone) == []
    assert left(scene) == ([], [])
    assert observe(scene, gone) == []
    scene.task("neighbour")


def test_the_event_that_aws_sends(scene: Scene) -> None:
    from functions.aws.clients import client

    expired = event("observer", "expired")
    name = expired["Records"][0]["dynamodb"]["OldImage"]["resultRef"]["S"].removeprefix("s3:")
    client("s3").put_object(Bucket=BUCKET, Key=name, Body=b"{}")
    scene.store.add_dependent(TENANT, ID, "other")
    assert observe(scene, *expired["Records"]) == []
    assert left(scene) == ([], [])


def test_a_removal_by_hand_leaves_them(scene: Scene) -> None:
    """Whoever deletes by hand says what goes."""
    gone = Stream().record(settled_with_everything(scene), None)
    remove(scene)
    assert observe(scene, gone) == []
    assert left(scene)[0] == ["DEPENDENT", "EFFECT", "PAYLOAD"]


def test_a_small_task_leaves_nothing_and_costs_one_query(scene: Scene) -> None:
    scene.put(state=State.SUCCESS)
    gone = Stream().record(record_of(scene), None, by_ttl=True)
    remove(scene)
    assert observe(scene, gone) == []
    assert scene.aws.called() == ["dynamodb.UpdateItem", "dynamodb.Query"]


def test_a_new_task_under_the_same_key_keeps_what_is_its_own(scene: Scene) -> None:
    """The record expired, the same idempotency key came again, and only then the stream tells of the removal."""
    before = settled_with_everything(scene)
    remove(scene)
    scene.clock.advance(1)
    documents = wiring.documents(WorkerEnvironment(os.environ), BUCKET)
    task = scene.put(payload=documents.store_payload(TENANT, ID, {"data": "x" * 1000}))
    scene.clock.advance(1)
    Effects(scene.store.table, documents).reserve(task, "charge", token="t", now=scene.clock.now)
    assert observe(scene, Stream().record(before, None, by_ttl=True)) == []
    effects = [item["sk"]["S"] for item in scene.aws.items() if item["sk"]["S"].startswith("EFFECT")]
    assert effects == ["EFFECT#charge"], "the old one would have kept it from sending"
    assert left(scene) == (["DEPENDENT", "EFFECT", "PAYLOAD", "TASK"], [])
    assert scene.deliver(scene.message()) == []
    assert scene.ran == [{"data": "x" * 1000}]


@pytest.mark.parametrize("again", [False, True], ids=["gone", "again"])
def test_results_of_effects_in_s3_go_with_their_task(scene: Scene, again: bool) -> None:
    """Unless a new task under the same key has the same."""
    environment = WorkerEnvironment(os.environ)
    effects = wiring.effects(environment, environment.document_bucket)

    def run() -> dict[str, Any]:
        task = scene.put(state=State.SUCCESS)
        effects.reserve(task, f"send {scene.clock.now}", token="t", now=scene.clock.now)
        effects.record(task, f"send {scene.clock.now}", json_text(BIG), None, token="t")
        return record_of(scene)

    record = run()
    assert len(left(scene)[1]) == 1
    remove(scene)
    if again:
        scene.clock.advance(1)
        scene.put()
        scene.clock.advance(1)
        run()
    assert observe(scene, Stream().record(record, None, by_ttl=True)) == []
    assert left(scene)[0] == (["EFFECT", "TASK"] if again else [])
    assert len(left(scene)[1]) == int(again)


def test_a_new_task_keeps_the_object_that_both_name(scene: Scene) -> None:
    documents = wiring.documents(WorkerEnvironment(os.environ), BUCKET)
    payload = documents.store_payload(TENANT, ID, BIG)
    assert str(payload.ref).startswith("s3:")
    scene.put(payload=payload, state=State.SUCCESS)
    gone = Stream().record(record_of(scene), None, by_ttl=True)
    scene.clock.advance(1)
    scene.put(payload=payload)
    assert observe(scene, gone) == []
    assert len(left(scene)[1]) == 1


def test_what_cannot_be_deleted_comes_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.core.errors import StoreUnavailable
    from functions.store.table import Table

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("DynamoDB", "ThrottlingException")

    stream = Stream()
    other = stream.life("other", "READY")
    gone = stream.record(settled_with_everything(scene), None, by_ttl=True)
    after = copy.deepcopy(stream.life("third", "READY"))
    remove(scene)
    with monkeypatch.context() as patched:
        patched.setattr(Table, "delete", unavailable)
        assert observe(scene, *other, gone, *after) == [{"itemIdentifier": sequence(gone)}]
    assert observe(scene, gone, *after) == []
    assert left(scene)[0] == []
    [noted] = [item for item in scene.aws.items() if item["pk"]["S"] == "JOURNAL"]
    assert json.loads(noted["sums"]["S"])[TENANT]["NOTE"]["READY"] == 2, "all of them the first time, none again"
