"""The HTTP API and the function behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk.aws_apigatewayv2_authorizers import HttpIamAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.acknowledgements import acknowledge
from infra.build.routes import ApiRoute
from infra.functions.function import Function, vended_log_group
from infra.functions.shared_resources import SharedResources

# One line per request. `integrationError` and `authorizerError` say why a request never reached the function.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "caller": "$context.identity.userArn",
    "ip": "$context.identity.sourceIp",
    "latencyMs": "$context.responseLatency",
    "integrationMs": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "error": "$context.error.message",
}


class Api(Construct):
    """HTTP API → api function. Every route but an open one takes signed requests only."""

    def __init__(self, scope: Construct, id: str, *, shared: SharedResources, routes: Sequence[ApiRoute]) -> None:
        super().__init__(scope, id)
        config, storage, machines = shared.config, shared.storage, shared.machines
        self.function = Function(
            self,
            "Handler",
            package=shared.package,
            service="api",
            # API Gateway answers 503 at 30 s: the function's own timeout comes first, and is logged.
            timeout_seconds=29,
            memory=512,
            environment={
                **shared.intake_environment(),
                "RUN_MACHINE_ARN": machines.run_arn,
                "AUDIT_RETENTION_DAYS": str(config.audit_retention_days),
            },
            statements=[
                storage.allow_records("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "Query"),
                storage.allow_index_queries(),
                storage.allow_documents("GetObject", "PutObject"),
                shared.lanes.allow_send(),
                shared.lanes.allow_depth(),
                *shared.timers.allow("CreateSchedule", "DeleteSchedule"),
                *shared.schedules.allow("CreateSchedule", "UpdateSchedule", "DeleteSchedule"),
                machines.allow_start_runs(),
                machines.allow_start_notifications(),
                machines.allow_answer(),
            ],
        )
        self.http = apigw.HttpApi(
            self, "Http", api_name=config.stack_name, create_default_stage=False, description="Submit and watch tasks"
        )
        # One permission for the whole API: one per route would fill the function's policy, which holds 20 KB.
        integration = HttpLambdaIntegration("Handler", self.function.function, scope_permission_to_route=False)
        signed = HttpIamAuthorizer()
        for route in routes:
            created = self.http.add_routes(
                path=route.path,
                methods=[apigw.HttpMethod[route.method]],
                integration=integration,
                authorizer=apigw.HttpNoneAuthorizer() if route.open else signed,
            )
            if route.open:
                for each in created:
                    acknowledge(
                        each,
                        {"AwsSolutions-APIG4": "Health and the documentation hold no data: anybody may read them."},
                    )
        # What no route takes, the function refuses as it refuses everything; strangers do not reach it here either.
        apigw.HttpRoute(
            self,
            "Default",
            http_api=self.http,
            route_key=apigw.HttpRouteKey.DEFAULT,
            integration=integration,
            authorizer=signed,
        )
        self.access_log = vended_log_group(self, "AccessLog", config=config, log="api-access")
        self.stage = apigw.CfnStage(
            self,
            "Stage",
            api_id=self.http.api_id,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigw.CfnStage.AccessLogSettingsProperty(
                destination_arn=self.access_log.log_group_arn, format=json.dumps(_ACCESS_LOG)
            ),
            default_route_settings=apigw.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=config.throttle_rate,
                throttling_burst_limit=config.throttle_burst,
                detailed_metrics_enabled=True,
            ),
        )
