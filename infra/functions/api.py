"""The api function, and the HTTP APIs in front of it: one for each entry of the configuration's `auth`."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk.aws_apigatewayv2_authorizers import HttpIamAuthorizer, HttpJwtAuthorizer
from constructs import Construct

from ..auth import Cognito, Jwt
from ..build.routes import ApiRoute
from .function import Function
from .http_api import IAM_CALLER, JWT_CALLER, Authorization, HttpApi
from .shared_resources import SharedResources


class Api(Construct):
    """HTTP APIs → api function. `jwt`, `iam`: None where callers cannot be authorized so. An HTTP API authorizes each
    route in one way, so there are two with the same routes (docs/adr/0021)."""

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

        def http_api(id: str, authorization: Authorization) -> HttpApi:
            return HttpApi(
                self,
                id,
                config=config,
                encryption=shared.package.encryption,
                routes=routes,
                function=self.function.function,
                authorization=authorization,
            )

        # Who issues the tokens of the JWT API; None where there is none.
        self.issuer: str | None = None
        self.jwt = None
        match config.token_auth:
            case Jwt(issuer=issuer, audience=audience, scopes=scopes):
                self.issuer = issuer
                self.jwt = http_api("Jwt", _jwt_authorization(issuer, audience, scopes))
            case Cognito() if identity := shared.identity:
                self.issuer = identity.issuer
                # No scopes: people's tokens have those of OpenID only; their roles are groups.
                self.jwt = http_api("Jwt", _jwt_authorization(identity.issuer, identity.audience))
        self.iam = None
        if config.iam:
            iam = Authorization(name="iam", authorizer=HttpIamAuthorizer(), log_fields=IAM_CALLER)
            self.iam = http_api("Iam", iam)

    @property
    def http_apis(self) -> tuple[HttpApi, ...]:
        """The JWT API first. At least one, as a configuration without any is refused."""
        return tuple(api for api in (self.jwt, self.iam) if api)


def _jwt_authorization(issuer: str, audience: Sequence[str], scopes: tuple[str, ...] = ()) -> Authorization:
    authorizer = HttpJwtAuthorizer("Token", issuer, jwt_audience=list(audience))
    return Authorization(name="jwt", authorizer=authorizer, log_fields=JWT_CALLER, scopes=scopes)
