"""The HTTP APIs: which routes they have, who may call them, how often, and what is logged of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app import CONFIGS
from functions.api.handler import handler
from infra.auth import AUTH_LIMIT
from infra.build.routes import build_routes
from infra.config import InvalidConfigError, RouteThrottle, check_routes, config_faults
from tests.infra.template import PARTS, Template, target

ROUTES = {
    "POST /schedules",
    "GET /schedules",
    "GET /schedules/{id}",
    "PATCH /schedules/{id}",
    "DELETE /schedules/{id}",
    "POST /schedules/{id}/run",
    "POST /tasks",
    "GET /tasks",
    "GET /tasks/{id}",
    "PATCH /tasks/{id}",
    "DELETE /tasks/{id}",
    "POST /workflows",
    "GET /workflows",
    "GET /workflows/{id}",
    "GET /workflows/{id}/graph",
    "DELETE /workflows/{id}",
    "POST /workflows/{id}/retry",
    "GET /monitor/health",
    "GET /monitor/stats",
    "GET /openapi.json",
    "GET /docs",
    "$default",
}
KINDS = ("JWT", "AWS_IAM")
VARIABLES_LIMIT = 4096  # bytes of names and values; AWS Lambda quotas
# Characters of what a reference becomes: at most those of the URL of a queue in the region of the longest name.
REFERENCE_LENGTHS = {"AWS::AccountId": 12, "AWS::Region": 14, "AWS::Partition": 10}
LONGEST_REFERENCE = 115


def api_of(template: Template, kind: str) -> str:
    """The logical id of the HTTP API that authorizes so."""
    routes = template.of_type("AWS::ApiGatewayV2::Route").values()
    (name,) = {target(route["ApiId"]) for route in routes if route["AuthorizationType"] == kind}
    return name


def routes_of(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """By route key."""
    api = api_of(template, kind)
    routes = template.of_type("AWS::ApiGatewayV2::Route").values()
    return {route["RouteKey"]: route for route in routes if target(route["ApiId"]) == api}


def stage_of(template: Template, kind: str) -> tuple[str, dict[str, Any]]:
    api = api_of(template, kind)
    (found,) = [
        (name, stage)
        for name, stage in template.of_type("AWS::ApiGatewayV2::Stage").items()
        if target(stage["ApiId"]) == api
    ]
    return found


def references(value: Any) -> Iterator[Any]:
    """All references within a value of the template."""
    match value:
        case {"Ref": _} | {"Fn::GetAtt": _}:
            yield value
        case dict():
            for each in value.values():
                yield from references(each)
        case list():
            for each in value:
                yield from references(each)


@pytest.mark.parametrize("kind", KINDS)
def test_routes_are_those_of_the_contract(template: Template, kind: str) -> None:
    assert routes_of(template, kind).keys() >= ROUTES


@pytest.mark.parametrize("kind", KINDS)
def test_each_api_has_the_routes_that_the_build_wrote_and_only_open_ones_without_authorizer(
    template: Template, kind: str
) -> None:
    declared = {f"{route.method} {route.path}": "NONE" if route.open else kind for route in build_routes()}
    found = {key: route["AuthorizationType"] for key, route in routes_of(template, kind).items()}
    assert found == {**declared, "$default": kind}


@pytest.mark.parametrize("kind", KINDS)
def test_open_routes_are_health_and_the_documentation(template: Template, kind: str) -> None:
    open_routes = {key for key, it in routes_of(template, kind).items() if it["AuthorizationType"] == "NONE"}
    assert open_routes == {"GET /monitor/health", "GET /openapi.json", "GET /docs"}


def test_there_are_two_apis_and_the_one_for_tokens_comes_first(template: Template) -> None:
    assert list(template.of_type("AWS::ApiGatewayV2::Api")) == [api_of(template, kind) for kind in KINDS]
    names = [api["Name"] for api in template.of_type("AWS::ApiGatewayV2::Api").values()]
    assert names == [f"Taskyard-{template.environment}-jwt", f"Taskyard-{template.environment}-iam"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_route_leads_to_the_api_function(template: Template, kind: str) -> None:
    function, api = template.functions()["api"][0], api_of(template, kind)
    (name,) = {route["Target"]["Fn::Join"][1][1]["Ref"] for route in routes_of(template, kind).values()}
    integration = template.of_type("AWS::ApiGatewayV2::Integration")[name]
    assert integration["PayloadFormatVersion"] == "2.0"
    assert target(integration["IntegrationUri"]) == function
    (permission,) = [
        it
        for it in template.of_type("AWS::Lambda::Permission").values()
        if api in {target(each) for each in references(it["SourceArn"])}
    ]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert target(permission["FunctionName"]) == function


def test_tokens_are_those_of_the_user_pool_for_its_clients(template: Template) -> None:
    (name,) = template.of_type("AWS::ApiGatewayV2::Authorizer")
    authorizer = template.of_type("AWS::ApiGatewayV2::Authorizer")[name]
    (pool,) = template.of_type("AWS::Cognito::UserPool")
    assert authorizer["IdentitySource"] == ["$request.header.Authorization"]
    assert authorizer["JwtConfiguration"]["Issuer"] == {"Fn::GetAtt": [pool, "ProviderURL"]}
    clients = template.of_type("AWS::Cognito::UserPoolClient")
    assert {target(each) for each in authorizer["JwtConfiguration"]["Audience"]} == set(clients)
    closed = [route for route in routes_of(template, "JWT").values() if route["AuthorizationType"] == "JWT"]
    assert all(route["AuthorizerId"] == {"Ref": name} for route in closed)


@pytest.mark.parametrize("kind", KINDS)
def test_no_route_asks_for_scopes_of_the_user_pool(template: Template, kind: str) -> None:
    assert not [key for key, route in routes_of(template, kind).items() if "AuthorizationScopes" in route]


def test_every_closed_route_asks_for_one_of_the_configured_scopes(variants: Mapping[str, Template]) -> None:
    for key, route in routes_of(variants["tokens"], "JWT").items():
        scopes = ["taskyard/viewer", "taskyard/admin"] if route["AuthorizationType"] == "JWT" else None
        assert route.get("AuthorizationScopes") == scopes, key


def test_issuer_elsewhere_needs_no_user_pool(variants: Mapping[str, Template]) -> None:
    template = variants["tokens"]
    (authorizer,) = template.of_type("AWS::ApiGatewayV2::Authorizer").values()
    assert authorizer["JwtConfiguration"] == {
        "Audience": ["taskyard", "orders"],
        "Issuer": "https://acme.eu.auth0.com/",
    }
    assert not template.of_type("AWS::Cognito::UserPool")


@pytest.mark.parametrize(
    ("name", "kind", "outputs"), [("tokens", "JWT", {"Issuer"}), ("signed", "AWS_IAM", {"IamApiUrl"})]
)
def test_deployment_with_one_api_has_its_outputs(
    variants: Mapping[str, Template], name: str, kind: str, outputs: set[str]
) -> None:
    template = variants[name]
    (api,) = template.of_type("AWS::ApiGatewayV2::Api")
    assert api == api_of(template, kind)
    assert set(template.body["Outputs"]) & {"ApiUrl", "IamApiUrl", "Issuer"} == {"ApiUrl"} | outputs
    assert template.body["Outputs"]["ApiUrl"]["Value"] == {"Fn::GetAtt": [api, "ApiEndpoint"]}


@pytest.mark.parametrize("kind", KINDS)
def test_stage_throttles_and_logs(template: Template, kind: str) -> None:
    config = CONFIGS[template.environment]
    _, stage = stage_of(template, kind)
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    settings = stage["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == config.throttle_rate
    assert settings["ThrottlingBurstLimit"] == config.throttle_burst
    assert "requestId" in json.loads(stage["AccessLogSettings"]["Format"])
    assert template.properties(stage["AccessLogSettings"]["DestinationArn"])["RetentionInDays"]


@pytest.mark.parametrize("kind", KINDS)
def test_single_routes_are_throttled_on_a_stage_that_is_made_after_them(template: Template, kind: str) -> None:
    name, stage = stage_of(template, kind)
    limits = {
        key: (it["ThrottlingRateLimit"], it["ThrottlingBurstLimit"]) for key, it in stage["RouteSettings"].items()
    }
    assert limits == {"POST /tasks/cancel": (10, 20), "POST /dead-letters/redrive": (10, 20)}
    assert all(it["DetailedMetricsEnabled"] for it in stage["RouteSettings"].values())
    before = template.body["Resources"][name]["DependsOn"]
    assert limits.keys() <= {template.body["Resources"][it]["Properties"].get("RouteKey") for it in before}


def test_stage_without_limits_of_single_routes_has_no_route_settings(variants: Mapping[str, Template]) -> None:
    assert "RouteSettings" not in stage_of(variants["signed"], "AWS_IAM")[1]


@pytest.mark.parametrize(
    ("throttle", "fault"),
    [
        (RouteThrottle(route="POST /tasks", rate=0, burst=1), "route_throttles[0].rate is 0: it must be 1 to 200"),
        (RouteThrottle(route="POST /tasks", rate=1, burst=500), "route_throttles[0].burst is 500: it must be 1 to 400"),
    ],
)
def test_limit_of_a_route_above_that_of_the_stage_is_a_fault(throttle: RouteThrottle, fault: str) -> None:
    (found,) = config_faults(replace(CONFIGS["dev"], route_throttles=(throttle,)))
    assert found.startswith(fault)


def test_limit_of_an_unknown_route_is_refused() -> None:
    config = replace(CONFIGS["dev"], route_throttles=(RouteThrottle(route="POST /task", rate=1, burst=1),))
    with pytest.raises(InvalidConfigError, match=r"dev: route_throttles\[0\].route: there is no 'POST /task'"):
        check_routes(config, ["POST /tasks"])


def test_pages_of_other_origins_may_not_call_the_api(template: Template) -> None:
    assert not [api for api in template.of_type("AWS::ApiGatewayV2::Api").values() if "CorsConfiguration" in api]


def test_pages_of_a_configured_origin_may_call_the_api_after_a_preflight_without_a_token(
    variants: Mapping[str, Template],
) -> None:
    (api,) = variants["tokens"].of_type("AWS::ApiGatewayV2::Api").values()
    cors = api["CorsConfiguration"]
    assert cors["AllowOrigins"] == ["https://yard.example.com"]
    assert set(cors["AllowHeaders"]) >= {"authorization", "content-type", "idempotency-key", "x-taskyard-tenant"}
    methods = {route.method for route in build_routes()}
    assert methods <= set(cors["AllowMethods"])
    # The route $default would take the preflight otherwise, with its authorizer.
    (key,) = [key for key in routes_of(variants["tokens"], "JWT") if key.startswith("OPTIONS ")]
    assert routes_of(variants["tokens"], "JWT")[key]["AuthorizationType"] == "NONE"
    assert handler({"routeKey": key}, None) == {"statusCode": 204}


@pytest.mark.parametrize("origin", ["example.com", "https://example.com/", "https://example.com/a", "", "null"])
def test_origin_that_no_browser_sends_is_a_fault(origin: str) -> None:
    (fault,) = config_faults(replace(CONFIGS["dev"], cors_origins=(origin,)))
    assert fault.startswith(f"cors_origins[0] is {origin!r}")


@pytest.mark.parametrize(
    ("kind", "callers"),
    [
        ("AWS_IAM", {"$context.identity.userArn"}),
        ("JWT", {"$context.authorizer.claims.sub", "$context.authorizer.claims.client_id"}),
    ],
)
def test_access_log_names_the_caller_and_holds_no_token(template: Template, kind: str, callers: set[str]) -> None:
    _, stage = stage_of(template, kind)
    fields = set(json.loads(stage["AccessLogSettings"]["Format"]).values())
    assert fields >= callers
    # A variable of a header or a query could hold a token.
    assert all(field.startswith("$context.") for field in fields)
    assert not [field for field in fields if "header" in field.lower() or "authorization" in field.lower()]


def test_what_aws_itself_logs_goes_below_vendedlogs(template: Template) -> None:
    stages = template.of_type("AWS::ApiGatewayV2::Stage").values()
    machines = template.of_type("AWS::StepFunctions::StateMachine").values()
    groups = [stage["AccessLogSettings"]["DestinationArn"] for stage in stages]
    assert len({target(group) for group in groups}) == 2
    groups += [
        destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
        for machine in machines
        for destination in machine.get("LoggingConfiguration", {}).get("Destinations", ())
    ]
    for group in groups:
        name = template.properties(group)["LogGroupName"]
        assert name.startswith(f"/aws/vendedlogs/Taskyard-{template.environment}/")


def test_outputs_tell_where_it_is(template: Template) -> None:
    outputs = template.body["Outputs"]
    assert set(outputs) == {
        "ApiUrl",
        "IamApiUrl",
        "Issuer",
        "UserPoolId",
        "LoginUrl",
        "PeopleClientId",
        "ProducerFunction",
        "TableName",
        "DashboardName",
    }
    urls = [target(outputs[name]["Value"]) for name in ("ApiUrl", "IamApiUrl")]
    assert urls == [api_of(template, kind) for kind in KINDS]


@pytest.mark.parametrize("part", [part for part in PARTS if part in ("api", "producer", "firing")])
def test_rules_of_identities_fit_their_variable(template: Template, part: str) -> None:
    assert len(template.variables(part)["AUTH"].encode()) <= AUTH_LIMIT


@pytest.mark.parametrize("part", PARTS)
def test_variables_of_a_function_fit_even_with_the_longest_rules_of_identities(template: Template, part: str) -> None:
    variables = template.function(part)["Environment"]["Variables"]
    size = 0
    for name, value in variables.items():
        text = "".join(it for it in value["Fn::Join"][1] if isinstance(it, str)) if "Fn::Join" in value else value
        length = len(text.encode()) if isinstance(text, str) else 0
        length += sum(REFERENCE_LENGTHS.get(target(it), LONGEST_REFERENCE) for it in references(value))
        size += len(name) + (AUTH_LIMIT if name == "AUTH" else length)
    assert size < VARIABLES_LIMIT
