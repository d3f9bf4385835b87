"""A schedule of a workflow: checked as a submit of it, one run for each time, its document stored and deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.store import keys
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import START, Clock
from tests.integration.schedules import fire, look
from tests.integration.stream import Stream
from tests.integration.workflows import node

MINUTE = 60_000
TWO_NODES = {"name": "nightly", "nodes": [node("fetch"), node("report", "fetch")]}
LONG_TEXT = "x" * 5000
"""A workflow with it is not in the record."""


@pytest.fixture(autouse=True)
def run_machine(aws: Cloud) -> None:
    definition = json.dumps({"StartAt": "a", "States": {"a": {"Type": "Succeed"}}})
    name = aws.env["RUN_MACHINE_ARN"].rpartition(":")[2]
    role = "arn:aws:iam::123456789012:role/any"
    aws.client("stepfunctions").create_state_machine(name=name, definition=definition, roleArn=role)


def workflow_with(text: str) -> dict[str, Any]:
    """Nodes with so much of the text as a message may have."""
    parts = [text[at : at + 9000] for at in range(0, len(text), 9000)]
    return {
        "nodes": {f"n{at}": {"type": "DELAYED_MESSAGE", "payload": {"message": part}} for at, part in enumerate(parts)}
    }


def create(api: Api, workflow: Any = TWO_NODES, **fields: Any) -> Any:
    answer = api("POST", "/schedules", {"rate": "1 minute", "workflow": workflow, **fields})
    assert answer.status == 201, answer.body
    return answer.body


def runs(api: Api) -> list[Any]:
    return list(api("GET", "/workflows").body["workflows"])


def test_firing_starts_one_run_of_its_time(api: Api, aws: Cloud, clock: Clock) -> None:
    schedule = create(api)
    clock.advance(62)
    fired = fire(aws, START + MINUTE)
    again = fire(aws, START + MINUTE + 17_000)
    (run,) = runs(api)
    assert (fired["outcome"], again["outcome"]) == ("submitted", "repeated")
    assert fired["task"] == again["task"] == f"workflow:{run['id']}"
    assert (run["name"], run["nodeCount"]) == ("nightly", 2)
    assert run["idempotencyKey"] == f"schedule:{schedule['id']}:2026-02-02T02:41:00.000Z"
    seen = look(api, schedule)
    assert (seen["fired"], seen["lastTaskId"], seen["lastWorkflowId"]) == (1, None, run["id"])


def test_view_has_the_workflow_as_it_was_given_and_no_task(api: Api, aws: Cloud) -> None:
    schedule = create(api)
    assert (schedule["task"], schedule["workflow"]) == (None, TWO_NODES)
    assert look(api, schedule)["workflow"] == TWO_NODES
    assert (schedule["managedBy"], schedule["declaredAs"]) == ("api", None)


@pytest.mark.parametrize("is_late", [False, True], ids=["on time", "an hour late"])
def test_missed_time_is_caught_up_by_one_run(api: Api, aws: Cloud, clock: Clock, is_late: bool) -> None:
    create(api, catchUp="last")
    clock.advance(3660 if is_late else 62)
    outcomes = (
        [fire(aws, START + minute * MINUTE)["outcome"] for minute in (1, 2)]
        if is_late
        else [fire(aws, START + MINUTE)["outcome"]]
    )
    assert outcomes == (["submitted", "repeated"] if is_late else ["submitted"])
    assert len(runs(api)) == 1


def test_skip_waits_for_the_end_of_the_run(api: Api, aws: Cloud, clock: Clock) -> None:
    schedule = create(api, overlap="skip")
    clock.advance(60)
    assert fire(aws, START + MINUTE)["outcome"] == "submitted"
    clock.advance(120)
    assert fire(aws, START + 3 * MINUTE)["outcome"] == "skipped"
    (run,) = runs(api)
    end_run(aws, run["id"])
    clock.advance(60)
    assert fire(aws, START + 4 * MINUTE)["outcome"] == "submitted"
    assert (look(api, schedule)["skipped"], len(runs(api))) == (1, 2)


def end_run(aws: Cloud, run_id: str) -> None:
    """As its execution would."""
    aws.client("dynamodb").update_item(
        TableName=aws.env["TABLE_NAME"],
        Key=keys.run_key(TENANT, run_id),
        UpdateExpression="SET #state = :done",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":done": {"S": "SUCCESS"}},
    )


def test_run_now_answers_the_run_once_for_a_key(api: Api, aws: Cloud) -> None:
    schedule = create(api, paused=True)
    first, again = (api("POST", f"/schedules/{schedule['id']}/run", headers={"idempotency-key": "k"}) for _ in "12")
    assert (first.status, again.status) == (201, 200)
    assert first.headers["location"] == again.headers["location"] == f"/workflows/{first.body['id']}"
    assert [run["id"] for run in runs(api)] == [first.body["id"]]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"workflow": TWO_NODES, "task": MESSAGE}, {"workflow": "give either this or task, not both"}),
        ({}, {"task": "is required, or workflow"}),
        ({"workflow": "nightly"}, {"workflow": None}),
        ({"workflow": {}}, {"workflow.nodes": None}),
        ({"workflow": {"nodes": [{"name": "a", "type": "NONE"}]}}, {"workflow.nodes[0].type": None}),
        ({"workflow": {"nodes": [node("a") | {"payload": {}}]}}, {"workflow.nodes[0].payload.message": None}),
        ({"workflow": {"nodes": [node("a", "b"), node("b", "a")]}}, {"workflow.nodes": None}),
        ({"workflow": {**TWO_NODES, "idempotencyKey": "k"}}, {"workflow.idempotencyKey": None}),
        ({"workflow": {"nodes": [node("a", run_at="2026-03-01T00:00:00Z")]}}, {"workflow.nodes[0].run_at": None}),
        (
            {"workflow": {"nodes": {"a": {**MESSAGE, "runAt": "2026-03-01T00:00:00Z"}}}},
            {"workflow.nodes.a.runAt": None},
        ),
    ],
)
def test_template_is_refused_with_the_field(api: Api, aws: Cloud, fields: Any, wrong: dict[str, Any]) -> None:
    answer = api("POST", "/schedules", {"rate": "1 minute", **fields})
    assert answer.status == 422
    found = answer.fields
    assert found.keys() == wrong.keys()
    assert all(message is None or found[field] == message for field, message in wrong.items())


def test_repeated_create_is_the_same_schedule_and_another_workflow_is_refused(api: Api, aws: Cloud) -> None:
    headers = {"idempotency-key": "k"}
    bodies = [{"rate": "1 minute", "workflow": each} for each in (TWO_NODES, TWO_NODES, workflow_with("other"))]
    first, again, other = (api("POST", "/schedules", body, headers=headers) for body in bodies)
    assert (first.status, again.status, other.status) == (201, 200, 422)
    assert first.body["id"] == again.body["id"]


@pytest.mark.parametrize("text", ["short", LONG_TEXT, "x" * 20_000], ids=["record", "item", "S3"])
def test_workflow_of_any_size_is_shown_fired_and_changed(api: Api, aws: Cloud, clock: Clock, text: str) -> None:
    schedule = create(api, workflow_with(text))
    assert look(api, schedule)["workflow"] == workflow_with(text)
    (listed,) = api("GET", "/schedules").body["schedules"]
    is_inline = text == "short"
    assert listed["workflow"] == (workflow_with(text) if is_inline else {"name": "workflow"})
    assert listed.get("omitted") == (None if is_inline else ["workflow.nodes"])
    clock.advance(62)
    assert fire(aws, START + MINUTE)["outcome"] == "submitted"
    changed = api("PATCH", f"/schedules/{schedule['id']}", {"workflow": workflow_with(text + "!")})
    assert changed.body["workflow"] == workflow_with(text + "!")


def test_change_from_task_to_workflow_and_back(api: Api, aws: Cloud, clock: Clock) -> None:
    schedule = create(api)
    path = f"/schedules/{schedule['id']}"
    to_task = api("PATCH", path, {"task": MESSAGE})
    assert (to_task.body["task"]["type"], to_task.body["workflow"]) == (MESSAGE["type"], None)
    clock.advance(62)
    task = fire(aws, START + MINUTE)["task"]
    back = api("PATCH", path, {"workflow": TWO_NODES}).body
    assert (back["task"], back["workflow"], back["lastTaskId"]) == (None, TWO_NODES, task)


def test_sensitive_fields_of_nodes_are_masked(api: Api, aws: Cloud) -> None:
    secret = {"url": "https://example.com/hook", "headers": {"Authorization": "Bearer a-long-secret-value"}}
    for nodes in (
        [node("a"), {"name": "b", "type": "WEBHOOK_CALL", "payload": secret}],
        {"b": {"type": "WEBHOOK_CALL", "payload": secret}},
    ):
        schedule = create(api, {"nodes": nodes, "notify": [{"webhook": "https://example.com/hook?token=12345678"}]})
        (listed, *_) = api("GET", "/schedules").body["schedules"]
        for view in (schedule, look(api, schedule), listed):
            assert "a-long-secret-value" not in json.dumps(view)
            assert "12345678" not in json.dumps(view)


def documents_of(aws: Cloud) -> set[str]:
    items = aws.client("dynamodb").scan(TableName=aws.env["TABLE_NAME"])["Items"]
    objects = aws.client("s3").list_objects_v2(Bucket=aws.env["DOCUMENT_BUCKET"]).get("Contents", [])
    in_table = {item["sk"]["S"] for item in items if item["sk"]["S"].startswith(keys.SCHEDULED_WORKFLOW)}
    return in_table | {found["Key"] for found in objects if "SCHEDULED" in found["Key"]}


@pytest.mark.parametrize("text", [LONG_TEXT, "x" * 20_000], ids=["item", "S3"])
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_observer_deletes_the_workflow_that_no_schedule_submits(api: Api, aws: Cloud, text: str, method: str) -> None:
    schedule = create(api, workflow_with(text))
    (before,) = (item for item in aws.items() if item["sk"]["S"] == keys.SCHEDULE)
    api(method, f"/schedules/{schedule['id']}", {"workflow": workflow_with(text + "!")} if method == "PATCH" else None)
    after = next((item for item in aws.items() if item["sk"]["S"] == keys.SCHEDULE), None)
    both = documents_of(aws)
    record = Stream().record(before, after)
    for _ in "twice":
        assert aws.invoke("observer", Stream().batch(record))["batchItemFailures"] == []
        assert len(documents_of(aws)) == len(both) - 1 == (method == "PATCH")
    assert after is None or look(api, schedule)["workflow"] == workflow_with(text + "!")


def test_observer_keeps_the_workflow_when_another_field_changes(api: Api, aws: Cloud) -> None:
    schedule = create(api, workflow_with(LONG_TEXT))
    (before,) = (item for item in aws.items() if item["sk"]["S"] == keys.SCHEDULE)
    api("PATCH", f"/schedules/{schedule['id']}", {"name": "other"})
    (after,) = (item for item in aws.items() if item["sk"]["S"] == keys.SCHEDULE)
    aws.invoke("observer", Stream().batch(Stream().record(before, after)))
    assert look(api, schedule)["workflow"] == workflow_with(LONG_TEXT)
