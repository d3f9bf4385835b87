"""An HTTP API in front of the api function: its routes, who may call them, throttling and the access log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from ..acknowledgements import acknowledge
from ..build.routes import ApiRoute
from ..config import Config
from ..encryption import Encryption
from .function import vended_log_group

# One line per request. The errors say why a request never reached the function. No header: one of them is the token.
_ACCESS_LOG = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "path": "$context.path",
    "status": "$context.status",
    "ip": "$context.identity.sourceIp",
    "latencyMs": "$context.responseLatency",
    "integrationMs": "$context.integrationLatency",
    "integrationError": "$context.integrationErrorMessage",
    "authorizerError": "$context.authorizer.error",
    "error": "$context.error.message",
}
IAM_CALLER = {"caller": "$context.identity.userArn"}
JWT_CALLER = {
    "subject": "$context.authorizer.claims.sub",
    # The client's id: `client_id` of Cognito; `azp` of Auth0, Entra and Keycloak; `cid` of Okta.
    "clientId": "$context.authorizer.claims.client_id",
    "authorizedParty": "$context.authorizer.claims.azp",
    "cid": "$context.authorizer.claims.cid",
}
CORS_METHODS = ("GET", "POST", "PATCH", "DELETE")
CORS_HEADERS = ("authorization", "content-type", "idempotency-key", "x-taskyard-tenant", "traceparent")
CORS_EXPOSED_HEADERS = ("location", "retry-after", "www-authenticate")
CORS_MAX_AGE = cdk.Duration.hours(1)


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """How callers show who they are. `name`: `jwt` or `iam`. `scopes`: a token needs one of them; none: unchecked.
    `log_fields`: of the access log, who called."""

    name: str
    authorizer: apigw.IHttpRouteAuthorizer
    log_fields: dict[str, str]
    scopes: tuple[str, ...] = ()


class HttpApi(Construct):
    """All routes lead to one function. Every route but an open one takes requests of an authorized caller only."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        encryption: Encryption,
        routes: Sequence[ApiRoute],
        function: lambda_.IFunction,
        authorization: Authorization,
    ) -> None:
        super().__init__(scope, id)
        self.name = authorization.name
        self.api = apigw.HttpApi(
            self,
            "Http",
            api_name=f"{config.name}-{self.name}",
            create_default_stage=False,
            description=f"Submit and watch tasks; callers are authorized by {self.name.upper()}",
            cors_preflight=_cors(config.cors_origins),
        )
        # One permission for the whole API: one per route would fill the function's policy, which holds 20 KB.
        integration = HttpLambdaIntegration("Handler", function, scope_permission_to_route=False)
        scopes = list(authorization.scopes) or None
        for route in routes:
            created = self.api.add_routes(
                path=route.path,
                methods=[apigw.HttpMethod[route.method]],
                integration=integration,
                authorizer=apigw.HttpNoneAuthorizer() if route.open else authorization.authorizer,
                authorization_scopes=None if route.open else scopes,
            )
            if route.open:
                _acknowledge_open(created, "Health and the documentation hold no data: anybody may read them.")
        # What no route takes, the function refuses as it refuses everything; strangers do not reach it here either.
        apigw.HttpRoute(
            self,
            "Default",
            http_api=self.api,
            route_key=apigw.HttpRouteKey.DEFAULT,
            integration=integration,
            authorizer=authorization.authorizer,
            authorization_scopes=scopes,
        )
        if config.cors_origins:
            # A browser sends its preflight without a token, and the authorizer of $default would refuse it.
            preflight = self.api.add_routes(
                path="/{proxy+}", methods=[apigw.HttpMethod.OPTIONS], integration=integration
            )
            _acknowledge_open(preflight, "A preflight has no identity, and its answer no content.")
        self._stage = self._add_stage(config, encryption, authorization)

    def metric(self, name: str, *, label: str | None = None, period: cdk.Duration) -> cw.Metric:
        """The sum of `Count`, `4xx` or `5xx`."""
        return self.api.metric(name, statistic="Sum", label=label, period=period)

    def _add_stage(self, config: Config, encryption: Encryption, authorization: Authorization) -> apigw.CfnStage:
        access_log = vended_log_group(
            self, "AccessLog", config=config, encryption=encryption, log=f"{self.name}-api-access"
        )
        stage = apigw.CfnStage(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name="$default",
            auto_deploy=True,
            access_log_settings=apigw.CfnStage.AccessLogSettingsProperty(
                destination_arn=access_log.log_group_arn,
                format=json.dumps({**_ACCESS_LOG, **authorization.log_fields}),
            ),
            default_route_settings=apigw.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=config.throttle_rate,
                throttling_burst_limit=config.throttle_burst,
                detailed_metrics_enabled=True,
            ),
            # A plain object for CloudFormation, so with its own names.
            route_settings={
                it.route: {
                    "ThrottlingRateLimit": it.rate,
                    "ThrottlingBurstLimit": it.burst,
                    "DetailedMetricsEnabled": True,
                }
                for it in config.route_throttles
            }
            or None,
        )
        # The settings name routes, which API Gateway then expects to be there.
        throttled = {it.route for it in config.route_throttles}
        for child in self.node.find_all():
            if isinstance(child, apigw.CfnRoute) and child.route_key in throttled:
                stage.add_resource_dependency(child)
        return stage


def _acknowledge_open(routes: Sequence[apigw.HttpRoute], reason: str) -> None:
    for route in routes:
        acknowledge(route, {"AwsSolutions-APIG4": reason})


def _cors(origins: Sequence[str]) -> apigw.CorsPreflightOptions | None:
    """None: no page of another origin may call the API, as API Gateway sends no CORS headers."""
    if not origins:
        return None
    return apigw.CorsPreflightOptions(
        allow_origins=list(origins),
        allow_methods=[apigw.CorsHttpMethod[method] for method in CORS_METHODS],
        allow_headers=list(CORS_HEADERS),
        expose_headers=list(CORS_EXPOSED_HEADERS),
        max_age=CORS_MAX_AGE,
    )
