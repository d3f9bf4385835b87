"""POST /tasks/batch: each task has its own outcome, and the answer fits whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.core.errors import StoreUnavailable
from functions.intake.task_views import ANSWER_LIMIT_BYTES
from tests.integration.api import Api, request
from tests.integration.cloud import Cloud, event

MESSAGE = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}


def statuses(api: Api, *tasks: Any) -> list[int]:
    done = api("POST", "/tasks/batch", {"tasks": list(tasks)})
    assert done.status == 200
    assert [result["index"] for result in done.body["results"]] == list(range(len(tasks)))
    return [result["status"] for result in done.body["results"]]


def test_a_batch_tells_each_its_own_outcome(api: Api, aws: Cloud) -> None:
    keyed = MESSAGE | {"idempotencyKey": "k"}
    aws.forget_calls()
    tasks = [MESSAGE, {"type": "NOPE"}, keyed, keyed, {"type": "SEND_EMAIL", "payload": {}}, 7]
    done = api("POST", "/tasks/batch", {"tasks": tasks})
    assert done.status == 200
    assert [result["status"] for result in done.body["results"]] == [201, 422, 201, 200, 422, 422]
    assert done.body["results"][2]["task"] == done.body["results"][3]["task"]
    assert (done.body["created"], done.body["existing"], done.body["refused"]) == (2, 1, 3)
    assert aws.called().count("sqs.SendMessageBatch") == 1
    assert aws.called().count("sqs.SendMessage") == 0


def test_a_batch_of_a_hundred_costs_ten_sends_and_all_of_it_runs(api: Api, aws: Cloud) -> None:
    aws.forget_calls()
    done = api("POST", "/tasks/batch", {"tasks": [MESSAGE] * 100}).body
    assert done["created"] == 100
    assert aws.called().count("sqs.SendMessageBatch") == 10
    assert aws.called().count("dynamodb.PutItem") == 100
    aws.work_off()
    assert {api("GET", f"/tasks/{result['task']['id']}").body["state"] for result in done["results"][:5]} == {"SUCCESS"}


@pytest.mark.parametrize("body", [{}, {"tasks": []}, {"tasks": [MESSAGE] * 1001}, {"tasks": [MESSAGE], "x": 1}])
def test_what_is_no_batch_is_refused_whole(api: Api, aws: Cloud, body: dict[str, Any]) -> None:
    aws.forget_calls()
    assert api("POST", "/tasks/batch", body).status == 422
    assert aws.called() == []


def test_the_first_of_a_key_is_the_task_and_the_others_are_held_to_it(api: Api, aws: Cloud) -> None:
    aws.forget_calls()
    keyed = MESSAGE | {"idempotencyKey": "k"}
    assert statuses(api, keyed, keyed | {"priority": 1}, keyed) == [201, 422, 200]
    assert aws.called().count("dynamodb.PutItem") == 1
    assert len(aws.wakeups()) == 1
    assert statuses(api, keyed | {"priority": 1}, keyed) == [422, 422], "of one batch the first tells"
    assert statuses(api, keyed, keyed) == [200, 200]


def test_a_batch_sent_again_is_the_same_tasks(api: Api, aws: Cloud) -> None:
    tasks = [MESSAGE | {"idempotencyKey": f"k{at}"} for at in range(30)]
    first = api("POST", "/tasks/batch", {"tasks": tasks}).body
    again = api("POST", "/tasks/batch", {"tasks": tasks}).body
    assert (first["created"], again["existing"]) == (30, 30)
    ids = [[result["task"]["id"] for result in answer["results"]] for answer in (first, again)]
    assert ids[0] == ids[1]
    aws.work_off()
    assert {api.get(task)["attempt"] for task in ids[0]} == {1}


def test_dependencies_are_earlier_tasks_never_of_the_same_batch(api: Api, aws: Cloud) -> None:
    from functions.core.task import id_for_key
    from tests.integration.cloud import TENANT

    there = api.submit()["id"]
    sibling = MESSAGE | {"idempotencyKey": "sibling"}
    depends = MESSAGE | {"dependencies": [there]}
    assert statuses(api, sibling, depends, MESSAGE | {"dependencies": [id_for_key(TENANT, "sibling")]}) == [
        201,
        201,
        422,
    ]
    aws.work_off()
    assert {task["state"] for task in api("GET", "/tasks").body["tasks"]} == {"SUCCESS"}


def test_lanes_and_times_are_each_tasks_own(api: Api, aws: Cloud) -> None:
    aws.forget_calls()
    far = [MESSAGE | {"delaySeconds": 3600 + at} for at in range(3)]
    near = [MESSAGE | {"priority": priority, "delaySeconds": 5} for priority in (1, 5, 9) for _ in range(2)]
    assert statuses(api, *far, *near) == [201] * 9
    assert len(aws.timers()) == 3
    sent = [call.parameters for call in aws.calls if call.name == "sqs.SendMessageBatch"]
    assert len({call["QueueUrl"] for call in sent}) == len(sent) == 3
    assert {entry["DelaySeconds"] for call in sent for entry in call["Entries"]} == {5}


def test_when_sqs_refuses_ten_the_others_are_accepted(api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.aws.queues import Queues

    send = Queues.send_many

    def refusing(queues: Queues, lane: str, wakeups: Any) -> None:
        if lane == "low":
            raise StoreUnavailable("SQS", "ThrottlingException")
        send(queues, lane, wakeups)

    monkeypatch.setattr(Queues, "send_many", refusing)
    aws.forget_calls()
    assert statuses(api, *[MESSAGE | {"priority": at % 2 * 5} for at in range(10)]) == [503, 201] * 5
    assert aws.called().count("dynamodb.PutItem") == 5, "message before record"


def test_when_the_store_refuses_one_the_others_are_accepted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.store.tasks import TaskStore

    create = TaskStore.create

    def refusing(store: TaskStore, task: Any) -> Any:
        if task.tags:
            raise RuntimeError("a secret of ours")
        return create(store, task)

    monkeypatch.setattr(TaskStore, "create", refusing)
    done = api("POST", "/tasks/batch", {"tasks": [MESSAGE, MESSAGE | {"tags": {"a": "b"}}]})
    assert [result["status"] for result in done.body["results"]] == [201, 500]
    assert "secret" not in json.dumps(done.body)


def test_payloads_of_every_size_are_kept(api: Api, aws: Cloud) -> None:
    def mail(size: int) -> dict[str, Any]:
        return {"type": "SEND_EMAIL", "payload": {"to": "a@example.com", "subject": "s", "content": "m" * size}}

    sizes = (10, 1000, 300_000)
    done = api("POST", "/tasks/batch", {"tasks": [*map(mail, sizes), mail(5_300_000)]}).body
    assert [result["status"] for result in done["results"]] == [201, 201, 201, 413]
    kept = [api.get(result["task"]["id"])["payload"]["content"] for result in done["results"][:3]]
    assert [len(content) for content in kept] == list(sizes)


WORST = '"\\\u0001' * 85


@pytest.mark.parametrize(
    "task",
    [
        MESSAGE | {"tags": {f"t{at:02}" + "é" * 60: WORST[:250] for at in range(20)}, "idempotencyKey": WORST[:250]},
        {f"field-{at}": 0 for at in range(99)},
        {"type": "N" * 256, WORST * 10: 1},
    ],
)
def test_the_answer_to_a_thousand_fits_lambdas(api: Api, aws: Cloud, task: dict[str, Any]) -> None:
    tasks = [
        task | ({"idempotencyKey": f"{at:04}{WORST[:240]}"} if "idempotencyKey" in task else {}) for at in range(50)
    ]
    sent = request("POST", "/tasks/batch", {"tasks": tasks})
    answer = aws.invoke("api", sent)
    assert answer["statusCode"] == 200
    assert len(json.dumps(answer, ensure_ascii=False).encode()) * 20 < ANSWER_LIMIT_BYTES


def test_a_cut_problem_still_names_fields(api: Api) -> None:
    body = {"tasks": [{"type": "DELAYED_MESSAGE", **{f"field-{at}": 0 for at in range(99)}}]}
    [result] = api("POST", "/tasks/batch", body).body["results"]
    assert result["problem"]["type"] == "urn:taskyard:problem:invalid-request"
    assert 10 < len(result["problem"]["errors"]) < 99


def test_its_event_is_taken(api: Api) -> None:
    answer = api.send(event("api", "submit_batch"))
    assert (answer.status, answer.body["created"], answer.body["refused"]) == (200, 2, 1)
