"""/openapi.json and /workflows: what is answered fits what is described; the events of events/api are answered."""

from __future__ import annotations

from typing import Any

import pytest

from functions.intake.workflow_requests import DIAMOND_EXAMPLE, MAP_EXAMPLE
from functions.workflow import handler as workflow
from tests.integration.api import Answer, Api
from tests.integration.cloud import TENANT, event
from tests.integration.quick import Quick
from tests.integration.test_api_openapi import body_errors, fits, spec
from tests.integration.workflows import FAILS, begin, step

ONE = {"type": "DELAYED_MESSAGE", "payload": {"message": "x"}}
BAD = {"a": ONE, "bad": {**FAILS, "maxRetries": 0, "dependsOn": ["a"]}, "z": {**ONE, "dependsOn": ["bad"]}}


def run_through(quick: Quick, workflow_id: str) -> None:
    run = workflow.services().runs.get(TENANT, workflow_id)
    assert run is not None
    begin(quick, run)
    quick.work_off()
    step(quick, "finish", run, outcome="done")


@pytest.mark.parametrize("example", [DIAMOND_EXAMPLE, MAP_EXAMPLE])
def test_the_examples_fit_their_schema_and_are_accepted(yard: Api, example: dict[str, Any]) -> None:
    assert body_errors("SubmitWorkflow", example) == []
    assert yard("POST", "/workflows", example).status == 201
    examples = spec()["paths"]["/workflows"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert example in [one["value"] for one in examples.values()]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"nodes": []},
        {"nodes": {}},
        {"nodes": [ONE]},
        {"nodes": {"a": {**ONE, "type": "NONE"}}},
        {"nodes": {"a": {**ONE, "bogus": 1}}},
        {"nodes": {"a": {**ONE, "dependsOn": "b"}}},
        {"nodes": {"a": {**ONE, "dependsOn": [], "depends_on": []}}},
        {"nodes": {"a": ONE}, "deadlineSeconds": 0},
        {"nodes": {"a": ONE}, "onFailure": "stop"},
        {"nodes": {"a": ONE}, "bogus": 1},
    ],
)
def test_what_the_schema_refuses_the_api_refuses(yard: Api, body: dict[str, Any]) -> None:
    assert body_errors("SubmitWorkflow", body)
    answer = yard("POST", "/workflows", body)
    assert answer.status == 422
    fits(answer, "post", "/workflows")


@pytest.mark.parametrize(
    "fields",
    [
        {"deadline_seconds": 60.0, "on_failure": "cancel", "name": "x"},
        {"nodes": [{"name": "a", "task_name": "DELAYED_MESSAGE", "payload": {"message": "x"}, "retries": 2}]},
        {"name": None, "notify": [], "deadlineSeconds": None},
    ],
)
def test_what_the_schema_takes_the_api_takes(yard: Api, fields: dict[str, Any]) -> None:
    body = {"nodes": {"a": ONE}} | fields
    assert body_errors("SubmitWorkflow", body) == []
    fits(yard("POST", "/workflows", body), "post", "/workflows")


def test_every_answer_is_as_described(yard: Api, quick: Quick) -> None:
    first = yard("POST", "/workflows", {"nodes": BAD, "idempotencyKey": "k"})
    fits(first, "post", "/workflows")
    fits(yard("POST", "/workflows", {"nodes": BAD, "idempotencyKey": "k"}), "post", "/workflows")
    fits(yard("POST", "/workflows", {"nodes": {"a": ONE}, "idempotencyKey": "k"}), "post", "/workflows")
    path = f"/workflows/{first.body['id']}"
    fits(yard("GET", path), "get", "/workflows/{id}")
    fits(yard("POST", f"{path}/retry"), "post", "/workflows/{id}/retry")
    run_through(quick, first.body["id"])
    fits(yard("GET", path), "get", "/workflows/{id}")
    fits(yard("GET", "/workflows"), "get", "/workflows")
    fits(yard("GET", "/workflows", query={"limit": "x"}), "get", "/workflows")
    fits(yard("GET", f"/tasks/{first.body['id']}-1"), "get", "/tasks/{id}")
    fits(yard("DELETE", path), "delete", "/workflows/{id}")
    fits(yard("POST", f"{path}/retry"), "post", "/workflows/{id}/retry")
    fits(yard("DELETE", path), "delete", "/workflows/{id}")
    missing = f"/workflows/{'0' * 26}"
    fits(yard("GET", missing), "get", "/workflows/{id}")
    fits(yard("GET", f"{missing}/graph"), "get", "/workflows/{id}/graph")
    graph = spec()["paths"]["/workflows/{id}/graph"]["get"]["responses"]["200"]["content"]
    drawn = {
        yard("GET", f"{path}/graph", query={"format": kind}).headers["content-type"]
        for kind in ("mermaid", "dot", "svg")
    }
    assert drawn == set(graph)


def sent(yard: Api, name: str, workflow_id: str = "") -> Answer:
    """events/api/<name>.json, of a workflow that is there."""
    made = event("api", name)
    if workflow_id:
        for place in (made, made["requestContext"]["http"]):
            field = "rawPath" if "rawPath" in place else "path"
            place[field] = place[field].replace(made["pathParameters"]["id"], workflow_id)
        made["pathParameters"]["id"] = workflow_id
    return yard.send(made)


def test_the_events_are_answered(yard: Api, quick: Quick) -> None:
    submitted = sent(yard, "submit_workflow")
    assert (submitted.status, submitted.body["idempotencyKey"]) == (201, "nightly-2026-02-02")
    run = submitted.body["id"]
    assert len(sent(yard, "get_workflow", run).body["nodes"]) == 2
    assert sent(yard, "draw_workflow", run).body.startswith("<svg")
    assert [one["id"] for one in sent(yard, "list_workflows").body["workflows"]] == [run]
    assert sent(yard, "retry_workflow", run).status == 409
    assert sent(yard, "cancel_workflow", run).status == 204
    for name in ("get_workflow", "draw_workflow", "cancel_workflow", "retry_workflow"):
        assert sent(yard, name).status == 404
