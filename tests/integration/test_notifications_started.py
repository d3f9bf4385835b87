"""A settled task's notifications are started: each once, whoever settles it and however often it is looked at."""

from __future__ import annotations

from typing import Any

import pytest
from taskyard.tasks.errors import Permanent

from functions.core.states import State
from functions.runtime import wiring
from tests.integration.api import Api
from tests.integration.cloud import TENANT, Cloud, forget_processes
from tests.integration.notifications import Machine
from tests.integration.scene import ID, Scene

HOOK = {"webhook": "https://hooks.example.com/a"}
MAIL = {"email": "night@example.com", "on": "failure"}


def starts(aws: Cloud) -> int:
    return aws.called().count("stepfunctions.StartExecution")


def test_once_for_each_target_that_wants_it(scene: Scene, machine: Machine) -> None:
    scene.put(notify=(HOOK, MAIL, {"email": "glad@example.com", "on": "success"}), created_at=5)
    assert scene.deliver(scene.message()) == []
    started = machine.started()
    assert list(started) == [f"{ID}-1-{scene.clock.now}-{target}" for target in (0, 2)]
    assert [note["to"] for note in started.values()] == [HOOK, {"email": "glad@example.com", "on": "success"}]
    assert started[f"{ID}-1-{scene.clock.now}-0"]["body"]["type"] == "task.succeeded"


def test_before_the_message_is_deleted(scene: Scene, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.aws.executions import Executions

    start = Executions.start

    def fails(*args: Any) -> bool:
        raise RuntimeError("the worker dies here")

    scene.put(notify=(HOOK,))
    monkeypatch.setattr(Executions, "start", fails)
    message = scene.message()
    assert scene.deliver(message) == [message["messageId"]]
    assert scene.task().state is State.SUCCESS
    monkeypatch.setattr(Executions, "start", start)
    scene.clock.advance(30)
    assert scene.deliver(message) == []
    assert len(machine.started()) == 1
    assert len(scene.ran) == 1


def test_looked_at_again_nothing_is_started_twice(scene: Scene, machine: Machine) -> None:
    scene.put(notify=(HOOK, MAIL))
    for _ in range(3):
        scene.deliver(scene.message())
        scene.clock.advance(60)
    assert len(machine.started()) == 1


def test_who_asks_for_none_pays_for_none(scene: Scene, machine: Machine) -> None:
    scene.put()
    scene.deliver(scene.message())
    assert not any(call.startswith("stepfunctions") for call in scene.aws.called())
    assert "notify" not in scene.aws.items()[0]


def test_a_failure_tells_its_error_and_log(scene: Scene, machine: Machine) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        ctx.log("about to fail")
        raise Permanent("no such order")

    scene.handle("NOTE", handler)
    scene.put(notify=(HOOK, MAIL))
    scene.deliver(scene.message())
    first, _ = machine.started().values()
    assert first["body"]["type"] == "task.failed"
    data = first["body"]["data"]
    assert data["error"]["type"] == "Permanent"
    assert data["error"]["message"] == "no such order"
    assert data["log"] == ["about to fail"]
    assert (data["attempt"], len(data["attempts"])) == (1, 1)


def test_a_retry_tells_nobody(scene: Scene, machine: Machine) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        raise RuntimeError("not yet")

    scene.handle("NOTE", handler)
    scene.put(notify=(HOOK,))
    scene.deliver(scene.message())
    assert scene.task().state is State.RETRY
    assert machine.started() == {}


def test_a_lost_last_attempt_tells(scene: Scene, machine: Machine) -> None:
    scene.running(lease=-1, attempt=3, notify=(HOOK,))
    scene.deliver(scene.message())
    [note] = machine.started().values()
    assert note["body"]["type"] == "task.dead"
    assert note["body"]["data"]["error"]["type"] == "WorkerLost"


def test_a_redriven_task_tells_again(scene: Scene, machine: Machine) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        raise Permanent("no such order")

    scene.handle("NOTE", handler)
    scene.put(notify=(HOOK,))
    scene.deliver(scene.message())
    scene.handle("NOTE", lambda ctx, payload: None)
    answer = Api(scene.aws)("POST", f"/tasks/{ID}/retry")
    assert answer.status == 200, answer.body
    assert [entry["state"] for entry in answer.body["notifications"]] == ["WAITING"]
    scene.clock.advance(1)
    scene.deliver(scene.message(generation=2))
    assert [note["body"]["type"] for note in machine.started().values()] == ["task.failed", "task.succeeded"]


def test_a_cancelled_task_has_a_wakeup_before_and_tells(aws: Cloud, api: Api, machine: Machine) -> None:
    task = api.submit(delaySeconds=600, notify=[HOOK])
    aws.forget_calls()
    assert api("DELETE", f"/tasks/{task['id']}").status == 204
    assert [sent["generation"] for sent in aws.wakeups()] == [2]
    called = aws.called()
    assert called.index("sqs.SendMessage") < called.index("dynamodb.UpdateItem")
    [note] = machine.started().values()
    assert note["body"]["type"] == "task.cancelled"
    # The wake-up that was sent in case we died finds all of it done.
    wiring.consequences(api_environment(aws)).run(stored(aws, task["id"]))
    assert len(machine.started()) == 1


def test_a_skipped_task_tells(scene: Scene, machine: Machine) -> None:
    scene.put("a", state=State.FAILED, has_dependents=True)
    scene.put(state=State.BLOCKED, dependencies=("a",), waiting_for=frozenset({"a"}), notify=(HOOK,))
    scene.store.add_dependent(TENANT, "a", ID)
    scene.deliver(scene.message("a"))
    scene.deliver_sent()
    [note] = machine.started().values()
    assert note["body"]["type"] == "task.skipped"


def test_a_wakeup_from_the_dead_letter_queue_tells(scene: Scene, machine: Machine) -> None:
    scene.put(state=State.DEAD, notify=(HOOK,))
    from functions.aws.clients import client

    client("dynamodb").update_item(
        TableName="taskyard-test",
        Key={"pk": {"S": f"TASK#{TENANT}#{ID}"}, "sk": {"S": "TASK"}},
        UpdateExpression="SET endedAt = :now",
        ExpressionAttributeValues={":now": {"N": str(scene.clock.now)}},
    )
    assert scene.aws.invoke("dead_letter", {"Records": [scene.message()]}) == {"batchItemFailures": []}
    assert len(machine.started()) == 1


def test_a_submit_over_http_carries_it(aws: Cloud, api: Api, machine: Machine) -> None:
    task = api.submit(notify=[HOOK | {"secret": "orders"}, MAIL])
    assert task["notify"] == [
        {"to": "https://hooks.example.com", "on": "both", "secret": "orders"},
        {"to": "night@example.com", "on": "failure"},
    ]
    refused = api("POST", "/tasks", {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "notify": [{}]})
    assert (refused.status, list(refused.fields)) == (422, ["notify[0]"])


def test_a_submit_is_refused_what_this_deployment_never_calls(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}, "notify": [{"webhook": "http://127.0.0.1:1/"}]}
    assert api("POST", "/tasks", plain).status == 201
    monkeypatch.setenv("WEBHOOK_REACH", "public")
    forget_processes()
    refused = api("POST", "/tasks", plain)
    assert (refused.status, list(refused.fields)) == (422, ["notify[0].webhook"])


def api_environment(aws: Cloud) -> Any:
    from functions.runtime.environment import ApiEnvironment

    return ApiEnvironment(aws.env)


def stored(aws: Cloud, task_id: str) -> Any:
    return wiring.task_store(api_environment(aws)).get(TENANT, task_id)
