"""A run tells of its end: once, also when the step that ends it is run again; and again after a retry."""

from __future__ import annotations

from typing import Any

import pytest

from functions.runtime import wiring
from functions.runtime.environment import WorkflowEnvironment
from tests.integration.api import Api
from tests.integration.cloud import Cloud
from tests.integration.notifications import Machine

NODE = {"name": "a", "type": "DELAYED_MESSAGE", "payload": {"message": "hello"}}
MAIL = {"email": "night@example.com"}


@pytest.fixture
def run_machine(aws: Cloud) -> None:
    import json

    definition = {"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 1, "End": True}}}
    aws.client("stepfunctions").create_state_machine(
        name="taskyard-test-runs", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/machine"
    )


def step(aws: Cloud, name: str, run: Any, **more: Any) -> Any:
    return aws.invoke("workflow", {"step": name, "tenant": run.tenant, "run": run.id, "round": run.round, **more})


def stored(aws: Cloud, run: Any) -> Any:
    found = wiring.run_store(WorkflowEnvironment(aws.env)).get("123456789012", run["id"])
    assert found is not None
    return found


@pytest.mark.parametrize("outcome", ["done", "timeout"])
def test_once_however_often_it_is_ended(
    aws: Cloud, api: Api, machine: Machine, run_machine: None, outcome: str
) -> None:
    answer = api("POST", "/workflows", {"nodes": [NODE], "notify": [MAIL, {"email": "x@example.com", "on": "success"}]})
    assert answer.status == 201, answer.body
    assert answer.body["notify"] == [
        {"to": "night@example.com", "on": "both"},
        {"to": "x@example.com", "on": "success"},
    ]
    run = stored(aws, answer.body)
    step(aws, "start", run)
    if outcome == "done":
        step(aws, "release", run, token="token" * 10)
        assert aws.invoke("worker", aws.deliver()) == {"batchItemFailures": []}
    for _ in range(2):
        step(aws, "finish", run, outcome=outcome)
    started = machine.started()
    assert len(started) == (2 if outcome == "done" else 1)
    kinds = {note["body"]["type"] for note in started.values()}
    assert kinds == {"workflow.succeeded" if outcome == "done" else "workflow.timed_out"}
    assert machine.run(next(iter(started))) == "DELIVERED"
    shown = api("GET", f"/workflows/{run.id}").body["notifications"]
    assert [entry["state"] for entry in shown] == ["DELIVERED", "PENDING"][: len(started)]


def test_a_wrong_target_is_refused_with_its_path(api: Api) -> None:
    answer = api("POST", "/workflows", {"nodes": [NODE], "notify": [MAIL, {"webhook": "ftp://example.com"}]})
    assert (answer.status, list(answer.fields)) == (422, ["notify[1].webhook"])
