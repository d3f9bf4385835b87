"""/openapi.json is valid, and says what the API does: every answer of these tests fits its own schema."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from functions.api.openapi import document
from functions.api.routes import ROUTES
from functions.api.routing import Route
from functions.api.tasks.requests import SUBMIT_EXAMPLES
from functions.core.identity import rules
from functions.core.pools import band_of
from functions.core.task import id_for_key
from tests.integration.api import MESSAGE, Answer, Api
from tests.integration.cloud import EVENTS, TENANT, WORKER_TIMEOUT_SECONDS, Cloud

LIMIT = WORKER_TIMEOUT_SECONDS - 10


@cache
def spec() -> dict[str, Any]:
    return document(LIMIT)


def errors(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": spec()["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def body_errors(name: str, value: Any) -> list[str]:
    return errors({"$ref": f"#/components/schemas/{name}"}, value)


def fits(answer: Answer, method: str, path: str) -> None:
    responses = spec()["paths"][path][method]["responses"]
    assert str(answer.status) in responses, f"{method} {path} may not answer {answer.status}"
    response = responses[str(answer.status)]
    if "content" not in response:
        assert not answer.body
        return
    schema = response["content"][answer.headers["content-type"]]["schema"]
    assert errors(schema, answer.body) == []
    schemas = [each for each in schema.get("anyOf", [schema]) if errors(each, answer.body) == []]
    components = [spec()["components"]["schemas"][each["$ref"].rpartition("/")[2]] for each in schemas]
    assert any(answer.body.keys() <= component["properties"].keys() for component in components)


def test_it_is_valid(api: Api) -> None:
    served = api("GET", "/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert served.body == json.loads(json.dumps(spec()))
    assert served.body["openapi"] == "3.1.0"
    validate(served.body)


SCHEMES = {"jwt": "http", "iam": "apiKey"}


@pytest.mark.parametrize("apis", [("jwt", "iam"), ("jwt",), ("iam",)])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_operation_names_its_role_for_each_api_of_the_deployment(route: Route, apis: tuple[rules.Api, ...]) -> None:
    made = document(LIMIT, apis)
    described = made["paths"][route.path][route.method.lower()]
    assert {name: scheme["type"] for name, scheme in made["components"]["securitySchemes"].items()} == {
        api: SCHEMES[api] for api in apis
    }
    tenant = {"$ref": "#/components/parameters/Tenant"}
    if route.open:
        assert described["security"] == []
        assert not described["responses"].keys() & {"401", "403"}
        assert tenant not in described.get("parameters", [])
        return
    assert described["security"] == [{api: [f"taskyard/{route.role}"]} for api in apis]
    assert f"`{route.role}`" in described["description"]
    assert ("401" in described["responses"]) == ("jwt" in apis)
    assert f"`{route.role}`" in described["responses"]["403"]["description"]
    assert "`no-role`" in described["responses"]["403"]["description"]
    assert tenant in described["parameters"]


def test_deployment_describes_the_apis_that_it_has(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", '{"iam": {}}')
    assert api("GET", "/openapi.json").body["components"]["securitySchemes"].keys() == {"iam"}


def test_its_examples_are_requests_that_people_send() -> None:
    sent = {path.stem: json.loads(path.read_text()) for path in (EVENTS / "requests").glob("*.json")}
    assert sent == SUBMIT_EXAMPLES


@pytest.mark.parametrize("name", list(SUBMIT_EXAMPLES))
def test_its_examples_fit_its_schemas(name: str) -> None:
    assert body_errors("SubmitTask", SUBMIT_EXAMPLES[name]) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "NONE"},
        {"task_name": "DELAYED_MESSAGE", "payload": {"message": 7}},
        MESSAGE | {"taskName": "DELAYED_MESSAGE"},
        MESSAGE | {"bogus": 1},
        MESSAGE | {"priority": 10},
        MESSAGE | {"priority": "urgent"},
        MESSAGE | {"timeoutSeconds": LIMIT + 1},
        MESSAGE | {"retries": 101},
        MESSAGE | {"runAt": "2026-03-02T00:00:00Z", "delay_seconds": 1},
        MESSAGE | {"retries": 1, "max_retries": 1},
        MESSAGE | {"dependencies": ["x"]},
        MESSAGE | {"tags": {"a": 1}},
        MESSAGE | {"idempotencyKey": ""},
        MESSAGE | {"retry": {"jitter": 2}},
    ],
)
def test_what_the_schema_refuses_the_api_refuses(api: Api, body: dict[str, Any]) -> None:
    assert body_errors("SubmitTask", body)
    answer = api("POST", "/tasks", body)
    assert answer.status == 422
    fits(answer, "post", "/tasks")


@pytest.mark.parametrize(
    "fields",
    [
        {"priority": "HIGH", "retries": 2.0, "tags": {"a": "b"}, "timeoutSeconds": LIMIT},
        {"scheduledAt": "2026-02-02T03:00:00+01:00", "availableAt": "2026-02-02T03:00:00Z"},
        {"delay_seconds": 0.5, "retry": {"strategy": "fixed", "baseSeconds": 1}},
        {"priority": None, "runAt": None, "dependencies": None},
    ],
)
def test_what_the_schema_takes_the_api_takes(api: Api, fields: dict[str, Any]) -> None:
    assert body_errors("SubmitTask", MESSAGE | fields) == []
    fits(api("POST", "/tasks", MESSAGE | fields), "post", "/tasks")


def test_every_answer_is_as_described(api: Api, aws: Cloud) -> None:
    first = api("POST", "/tasks", MESSAGE | {"idempotencyKey": "k", "tags": {"a": "b"}})
    fits(first, "post", "/tasks")
    fits(api("POST", "/tasks", MESSAGE | {"idempotencyKey": "k", "tags": {"a": "b"}}), "post", "/tasks")
    fits(api("POST", "/tasks", MESSAGE | {"idempotencyKey": "k"}), "post", "/tasks")
    for body in ("", "[]", MESSAGE | {"payload": {"message": "m" * 5_300_000}}):
        fits(api("POST", "/tasks", body), "post", "/tasks")
    fits(api("POST", "/tasks", MESSAGE, headers={"content-type": "text/plain"}), "post", "/tasks")
    path = f"/tasks/{first.body['id']}"
    fits(api("PATCH", path, {"priority": 6}), "patch", "/tasks/{id}")
    fits(api("PATCH", path, {}), "patch", "/tasks/{id}")
    failing = api.submit(type="FAIL_SOMETIMES", payload={"probability": 1})
    waiting = api.submit(dependencies=[failing["id"]], payload={"message": "m" * 1000})
    aws.invoke("worker", aws.deliver())
    for task in (first.body, failing, waiting):
        fits(api("GET", f"/tasks/{task['id']}"), "get", "/tasks/{id}")
    fits(api("PATCH", path, {"priority": 6}), "patch", "/tasks/{id}")
    fits(api("DELETE", path), "delete", "/tasks/{id}")
    fits(api("DELETE", f"/tasks/{waiting['id']}"), "delete", "/tasks/{id}")
    fits(api("GET", f"/tasks/{id_for_key(TENANT, 'none')}"), "get", "/tasks/{id}")
    fits(api("GET", "/tasks"), "get", "/tasks")
    fits(api("GET", "/tasks", query={"limit": "0"}), "get", "/tasks")
    fits(api("GET", "/monitor/stats"), "get", "/monitor/stats")
    fits(api("GET", "/monitor/health"), "get", "/monitor/health")


@pytest.mark.parametrize(
    ("schema", "path", "body"),
    [
        ("CancelTasks", "/tasks/cancel", {}),
        ("CancelTasks", "/tasks/cancel", {"dryRun": True, "reason": "x"}),
        ("CancelTasks", "/tasks/cancel", {"ids": None, "type": None}),
        ("CancelTasks", "/tasks/cancel", {"ids": []}),
        ("CancelTasks", "/tasks/cancel", {"tags": {}}),
        ("CancelTasks", "/tasks/cancel", {"ids": [id_for_key(TENANT, "none")], "type": "DELAYED_MESSAGE"}),
        ("CancelTasks", "/tasks/cancel", {"state": "RUNNING"}),
        ("Redrive", "/dead-letters/redrive", {"ratePerSecond": 0}),
        ("Redrive", "/dead-letters/redrive", {"limit": 0}),
        ("Redrive", "/dead-letters/redrive", {"attempts": 101}),
        ("Redrive", "/dead-letters/redrive", {"by": "me"}),
    ],
)
def test_what_the_desks_schemas_refuse_the_api_refuses(api: Api, schema: str, path: str, body: dict[str, Any]) -> None:
    assert body_errors(schema, body)
    answer = api("POST", path, body)
    assert answer.status == 422
    fits(answer, "post", path)


@pytest.mark.parametrize(
    ("schema", "path", "body"),
    [
        ("CancelTasks", "/tasks/cancel", {"ids": [id_for_key(TENANT, "none")], "type": None, "tags": None}),
        ("CancelTasks", "/tasks/cancel", {"ids": None, "state": "BLOCKED", "tags": {"a": "b"}, "dryRun": True}),
        ("Redrive", "/dead-letters/redrive", {}),
        ("Redrive", "/dead-letters/redrive", {"ratePerSecond": 0.001, "attempts": None, "type": None, "limit": 10}),
    ],
)
def test_what_the_desks_schemas_take_the_api_takes(api: Api, schema: str, path: str, body: dict[str, Any]) -> None:
    assert body_errors(schema, body) == []
    answer = api("POST", path, body)
    assert answer.status == 200
    fits(answer, "post", path)


def test_every_answer_of_the_desk_is_as_described(api: Api, aws: Cloud) -> None:
    failing = {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}, "maxRetries": 0}
    reused = MESSAGE | {"idempotencyKey": "k"}
    done = api("POST", "/tasks/batch", {"tasks": [failing, {"type": "NONE"}, reused, reused | {"priority": 1}, 7]})
    fits(done, "post", "/tasks/batch")
    for result in done.body["results"]:
        described = spec()["components"]["schemas"]
        for field, schema in (("task", "BatchTask"), ("problem", "Problem")):
            if field in result:
                assert result[field].keys() <= described[schema]["properties"].keys()
    fits(api("POST", "/tasks/batch", {"tasks": []}), "post", "/tasks/batch")
    aws.work_off()
    dead = api("GET", "/dead-letters")
    assert len(dead.body["tasks"]) == 1
    fits(dead, "get", "/dead-letters")
    fits(api("GET", "/dead-letters", query={"since": "soon"}), "get", "/dead-letters")
    fits(api("POST", "/dead-letters/redrive", {"dryRun": True}), "post", "/dead-letters/redrive")
    fits(api("POST", f"/tasks/{dead.body['tasks'][0]['id']}/retry", {}), "post", "/tasks/{id}/retry")
    fits(api("POST", f"/tasks/{dead.body['tasks'][0]['id']}/retry"), "post", "/tasks/{id}/retry")
    fits(api("POST", "/tasks/cancel", {"ids": [dead.body["tasks"][0]["id"]]}), "post", "/tasks/cancel")


@pytest.mark.parametrize("schema", ["SubmitTask", "WorkflowNode"])
@pytest.mark.parametrize(("least", "most"), [(7, 9), (3, 6), (0, 2)])
def test_the_text_of_priority_names_the_lane_of_each_band(schema: str, least: int, most: int) -> None:
    text = document(50)["components"]["schemas"][schema]["properties"]["priority"]["description"]
    assert {band_of(priority) for priority in range(least, most + 1)} == {band_of(least)}
    assert re.search(rf"{least} to {most} (is )?`{band_of(least)}`", text)
    assert "within a lane priorities make no order" in text
