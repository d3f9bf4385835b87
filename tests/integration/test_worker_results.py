"""Where results and payloads are kept, by size, and results that cannot be kept."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest

from functions.core.states import State
from functions.runtime import wiring
from functions.store.documents import ITEM_BYTES, LIMIT_BYTES, RESULT_INLINE_BYTES
from tests.integration.cloud import BUCKET, TENANT
from tests.integration.scene import Scene


def run(scene: Scene, result: Any) -> None:
    scene.handle("NOTE", lambda ctx, payload: result)
    scene.put()
    assert scene.deliver(scene.message()) == []


def kept(scene: Scene) -> Any:
    import os

    from functions.runtime.environment import WorkerEnvironment

    documents = wiring.documents(WorkerEnvironment(os.environ), BUCKET)
    task = scene.task()
    return documents.read(TENANT, task.id, task.result)


@pytest.mark.parametrize("result", [None, 7, "text", {"a": [1.5, None, True]}, "", "ü" * 90])
def test_small_results_ride_in_the_record(scene: Scene, result: Any) -> None:
    run(scene, result)
    assert scene.aws.called() == ["dynamodb.UpdateItem", "dynamodb.UpdateItem"]
    assert scene.task().state is State.SUCCESS
    assert kept(scene) == result


@pytest.mark.parametrize(
    ("result", "stored"),
    [
        (decimal.Decimal("1.10"), "1.10"),
        ({"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}, {"at": "2026-01-01T00:00:00Z"}),
        ({7}, [7]),
        (float("nan"), None),
    ],
    ids=["decimal", "datetime", "set", "nan"],
)
def test_results_that_are_no_json_are_written_as_pydantic_does(scene: Scene, result: Any, stored: Any) -> None:
    run(scene, result)
    assert scene.task().state is State.SUCCESS
    assert kept(scene) == stored


@pytest.mark.parametrize("size", [RESULT_INLINE_BYTES - 1, 100_000, ITEM_BYTES - 2])
def test_larger_ones_have_an_item(scene: Scene, size: int) -> None:
    run(scene, "x" * size)
    assert scene.aws.called() == ["dynamodb.UpdateItem", "dynamodb.PutItem", "dynamodb.UpdateItem"]
    assert kept(scene) == "x" * size


def test_the_largest_go_to_s3(scene: Scene) -> None:
    run(scene, "x" * (ITEM_BYTES - 1))
    assert scene.aws.called() == ["dynamodb.UpdateItem", "s3.PutObject", "dynamodb.UpdateItem"]
    assert kept(scene) == "x" * (ITEM_BYTES - 1)


def itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (object(), "NotSerializable"),
        ("\ud800", "NotSerializable"),
        (itself(), "NotSerializable"),
        (deep(), "NotSerializable"),
        ("x" * LIMIT_BYTES, "PayloadTooLarge"),
    ],
    ids=["object", "surrogate", "circular", "deep", "too large"],
)
def test_what_cannot_be_kept_fails_the_task_for_good(scene: Scene, result: Any, error: str) -> None:
    """Repeating would do the work again, for the same result."""
    run(scene, result)
    task = scene.task()
    assert task.state is State.FAILED
    assert task.history[0].error_type == error
    assert "result cannot be stored" in str(task.history[0].error)


@pytest.mark.parametrize("size", [10, 1000, 300_000])
def test_handlers_get_their_payload_wherever_it_is(scene: Scene, size: int) -> None:
    import os

    from functions.runtime.environment import WorkerEnvironment

    documents = wiring.documents(WorkerEnvironment(os.environ), BUCKET)
    scene.put(payload=documents.store_payload(TENANT, "big", {"data": "x" * size}), task_id="big")
    assert scene.deliver(scene.message("big")) == []
    assert scene.ran == [{"data": "x" * size}]
