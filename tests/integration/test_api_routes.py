"""Routes: what the function takes, what /openapi.json says, and what the template sends it are one list."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from functions.api.routes import ROUTES
from functions.api.routing import Route, resolve
from functions.core.roles import Role
from tests.integration.api import Api
from tests.integration.cloud import EVENTS, event

TEMPLATE = Path(__file__).parents[2] / "cdk.out" / "Taskyard-dev.template.json"


KEYS = {route.key for route in ROUTES}


def test_routes_have_each_key_and_each_name_once() -> None:
    assert len(KEYS) == len({route.name for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_references_of_a_route_resolve(route: Route) -> None:
    references = [route.body, route.examples, *(answer.schema for answer in route.answers.values())]
    assert all(resolve(reference) for reference in references if reference)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_path_with_an_id_says_of_what(route: Route) -> None:
    assert ("{id}" in route.path) == (route.id_of is not None)
    assert route.id_of is None or route.path.startswith(f"/{route.id_of}s/{{id}}")


def test_routes_that_anyone_may_call_hold_no_data() -> None:
    assert {route.key for route in ROUTES if route.open} == {"GET /monitor/health", "GET /openapi.json", "GET /docs"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.key)
def test_a_viewer_may_call_the_routes_that_change_nothing(route: Route) -> None:
    """But who did what is for admins."""
    assert (route.role is Role.VIEWER) == (route.method == "GET" and route.path != "/audit")


def test_every_route_is_described(api: Api) -> None:
    paths = api("GET", "/openapi.json").body["paths"]
    described = {
        f"{method.upper()} {path}"
        for path, operations in paths.items()
        for method in operations
        if method != "parameters"
    }
    assert described == KEYS


def test_every_route_has_an_event(api: Api) -> None:
    events = {event("api", path.stem)["routeKey"] for path in (EVENTS / "api").glob("*.json")}
    assert events == KEYS | {"$default"}


@pytest.mark.parametrize("name", sorted({path.stem for path in (EVENTS / "api").glob("*.json")} - {"no_such_route"}))
def test_every_event_finds_its_route(api: Api, name: str) -> None:
    """What it is answered where there is something to answer is told by the tests of the route."""
    sent = event("api", name)
    method, _, path = sent["routeKey"].partition(" ")
    assert sent["requestContext"]["routeKey"] == sent["routeKey"]
    assert (sent["requestContext"]["http"]["method"], sent["requestContext"]["http"]["path"]) == (
        method,
        sent["rawPath"],
    )
    assert re.fullmatch(re.sub(r"\{id\}", "[^/]+", path), sent["rawPath"])
    if method == "GET" or "{id}" in path:
        answer = api.send(sent)
        assert answer.status in (200, 404)
        assert answer.status == 200 or "{id}" in path
        assert answer.status == 200 or not answer.body["type"].endswith("no-such-route")


@pytest.mark.skipif(not TEMPLATE.exists(), reason="needs `make synth`")
def test_the_template_sends_every_route() -> None:
    resources = json.loads(TEMPLATE.read_text())["Resources"].values()
    sent = {
        resource["Properties"]["RouteKey"] for resource in resources if resource["Type"] == "AWS::ApiGatewayV2::Route"
    }
    assert sent == KEYS | {"$default"}


def test_what_no_route_takes_is_refused_with_its_reason(api: Api) -> None:
    answer = api.send(event("api", "no_such_route"))
    assert (answer.status, answer.body["type"]) == (404, "urn:taskyard:problem:no-such-route")
    assert answer.body["detail"] == "there is no GET /task"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/tasks", "POST, GET"),
        ("DELETE", "/tasks", "POST, GET"),
        ("POST", "/tasks/01kge3h900nxwjw3yyr4p0tse3", "GET, PATCH, DELETE"),
        ("POST", "/monitor/health", "GET"),
        ("HEAD", "/docs", "GET"),
        ("TRACE", "/openapi.json", "GET"),
    ],
)
def test_another_method_is_405_and_says_which(api: Api, method: str, path: str, allowed: str) -> None:
    answer = api(method, path, {})
    assert (answer.status, answer.body["type"]) == (405, "urn:taskyard:problem:method-not-allowed")
    assert answer.headers["allow"] == allowed
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/task", "/tasks/", "/tasks/a/b", "/monitor", "/openapi.yaml", "/%00"])
def test_another_path_is_404(api: Api, path: str) -> None:
    answer = api("GET", path)
    assert (answer.status, answer.body["type"]) == (404, "urn:taskyard:problem:no-such-route")
    assert answer.headers["content-type"] == "application/problem+json"
