"""The HTTP API: which routes there are, and who may call them."""

from __future__ import annotations

import json

from infra.build.routes import ROUTES_FILE, read_routes
from infra.config import config_of
from tests.infra.template import Template, target

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


def test_routes_are_those_of_the_contract(template: Template) -> None:
    assert {route["RouteKey"] for route in template.of_type("AWS::ApiGatewayV2::Route").values()} >= ROUTES


def test_routes_are_those_that_the_build_wrote(template: Template) -> None:
    declared = {f"{route.method} {route.path}": route.open for route in read_routes(ROUTES_FILE)}
    routes = template.of_type("AWS::ApiGatewayV2::Route").values()
    assert {route["RouteKey"]: route["AuthorizationType"] == "NONE" for route in routes} == {
        **declared,
        "$default": False,
    }


def test_every_route_with_data_asks_for_a_signed_request(template: Template) -> None:
    routes = template.of_type("AWS::ApiGatewayV2::Route").values()
    open_routes = {route["RouteKey"] for route in routes if route["AuthorizationType"] != "AWS_IAM"}
    assert open_routes == {"GET /monitor/health", "GET /openapi.json", "GET /docs"}


def test_every_route_leads_to_the_api_function(template: Template) -> None:
    (integration,) = template.of_type("AWS::ApiGatewayV2::Integration").values()
    assert integration["PayloadFormatVersion"] == "2.0"
    assert target(integration["IntegrationUri"]) == template.functions()["api"][0]
    (permission,) = template.of_type("AWS::Lambda::Permission").values()
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert target(permission["FunctionName"]) == template.functions()["api"][0]


def test_the_stage_throttles_and_logs(template: Template) -> None:
    config = config_of(template.environment)
    (stage,) = template.of_type("AWS::ApiGatewayV2::Stage").values()
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    settings = stage["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == config.throttle_rate
    assert settings["ThrottlingBurstLimit"] == config.throttle_burst
    assert "requestId" in json.loads(stage["AccessLogSettings"]["Format"])
    assert template.properties(stage["AccessLogSettings"]["DestinationArn"])["RetentionInDays"]


def test_what_aws_itself_logs_goes_below_vendedlogs(template: Template) -> None:
    (stage,) = template.of_type("AWS::ApiGatewayV2::Stage").values()
    machines = template.of_type("AWS::StepFunctions::StateMachine").values()
    groups = [stage["AccessLogSettings"]["DestinationArn"]]
    groups += [
        destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
        for machine in machines
        for destination in machine.get("LoggingConfiguration", {}).get("Destinations", ())
    ]
    for group in groups:
        name = template.properties(group)["LogGroupName"]
        assert name.startswith(f"/aws/vendedlogs/Taskyard-{template.environment}/")


def test_outputs_tell_where_it_is(template: Template) -> None:
    assert set(template.body["Outputs"]) == {"ApiUrl", "ProducerFunction", "TableName", "DashboardName"}
