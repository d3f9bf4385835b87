"""The HTTP API and the function behind it."""

from __future__ import annotations

import json

from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk.aws_apigatewayv2_authorizers import HttpIamAuthorizer
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.acknowledged import acknowledge
from infra.config import Config
from infra.function import Bundle, Function, log_group
from infra.lanes import Lanes
from infra.schedules import Schedules
from infra.storage import Storage
from infra.timers import Timers
from infra.workflow import Machines

# Every route, each under AWS_IAM. A new one is one line here.
ROUTES = (
    "POST /tasks",
    "GET /tasks",
    "POST /tasks/batch",
    "POST /tasks/cancel",
    "GET /tasks/{id}",
    "PATCH /tasks/{id}",
    "DELETE /tasks/{id}",
    "POST /workflows",
    "GET /workflows",
    "GET /workflows/{id}",
    "GET /workflows/{id}/graph",
    "DELETE /workflows/{id}",
    "POST /workflows/{id}/retry",
    "POST /tasks/{id}/retry",
    "GET /dead-letters",
    "POST /dead-letters/redrive",
    "POST /schedules",
    "GET /schedules",
    "GET /schedules/{id}",
    "PATCH /schedules/{id}",
    "DELETE /schedules/{id}",
    "POST /schedules/{id}/run",
    "GET /notifications",
    "GET /monitor/stats",
    "GET /openapi.json",
    "GET /docs",
)
# For load balancers and uptime checks, which have no identity: says that it is alive and nothing else.
OPEN_ROUTES = ("GET /monitor/health",)

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
    """HTTP API → api function. Every route asks for a signed request, but those of OPEN_ROUTES."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        bundle: Bundle,
        storage: Storage,
        lanes: Lanes,
        timers: Timers,
        machines: Machines,
        schedules: Schedules,
    ) -> None:
        super().__init__(scope, id)
        self.function = Function(
            self,
            "Handler",
            bundle=bundle,
            part="api",
            # API Gateway answers 503 at 30 s: the function's own timeout comes first, and is logged.
            timeout_seconds=29,
            memory=512,
            environment={
                "TABLE_NAME": storage.table.table_name,
                "DOCUMENT_BUCKET": storage.documents.bucket_name,
                "LANES": lanes.as_json(),
                "TIMER_GROUP": timers.group.ref,
                "TIMER_ROLE_ARN": timers.role.role_arn,
                "WORKER_TIMEOUT_SECONDS": str(config.worker_timeout_seconds),
                "LISTING_SHARDS": str(config.listing_shards),
                "TENANT_FROM": config.tenant_from,
                "RETENTION_DAYS": str(config.retention_days),
                "RUN_MACHINE_ARN": machines.run_arn,
                "NOTIFY_MACHINE_ARN": machines.notify_arn,
                "WEBHOOK_REACH": config.webhook_reach,
                **schedules.environment(),
            },
            statements=[
                storage.records("GetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchGetItem", "Query"),
                storage.indexes(),
                storage.document("GetObject", "PutObject"),
                lanes.send(),
                lanes.depth(),
                *timers.schedules("CreateSchedule", "DeleteSchedule"),
                *schedules.manage(),
                machines.start_runs(),
                machines.start_notifications(),
                machines.answer(),
            ],
        )
        self.http = apigw.HttpApi(
            self, "Http", api_name=config.stack_name, create_default_stage=False, description="Submit and watch tasks"
        )
        # One permission for the whole API: one per route would fill the function's policy, which holds 20 KB.
        integration = HttpLambdaIntegration("Handler", self.function.function, scope_permission_to_route=False)
        signed = HttpIamAuthorizer()
        for route in ROUTES:
            self._route(route, integration=integration, authorizer=signed)
        for route in OPEN_ROUTES:
            for made in self._route(route, integration=integration, authorizer=apigw.HttpNoneAuthorizer()):
                acknowledge(made, {"AwsSolutions-APIG4": "Health has no authorizer, and tells nothing but its own."})
        self.access_log = log_group(self, "AccessLog", config=config)
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

    def _route(
        self, route: str, *, integration: HttpLambdaIntegration, authorizer: apigw.IHttpRouteAuthorizer
    ) -> list[apigw.HttpRoute]:
        method, path = route.split(" ")
        return self.http.add_routes(
            path=path, methods=[apigw.HttpMethod[method]], integration=integration, authorizer=authorizer
        )
