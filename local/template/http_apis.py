"""The HTTP APIs of a template: their routes, who may call each, and their CORS configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.template.intrinsics import TemplateError
from local.template.stack import FunctionSpec, Stack

Authorization = Literal["NONE", "AWS_IAM", "JWT"]


@dataclass(frozen=True)
class RouteSpec:
    """A route of an HTTP API. `key` is `GET /tasks/{id}` or `$default`; `api`: the id of the API. `scopes`: of a JWT
    route, any one of them suffices; empty for none."""

    key: str
    function: FunctionSpec
    authorization: Authorization
    api: str
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CorsSpec:
    """An API's CorsConfiguration. `max_age`: seconds."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed_headers: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int | None = None


@dataclass(frozen=True)
class HttpApiSpec:
    """`name`: the logical id of the API."""

    name: str
    routes: tuple[RouteSpec, ...]
    cors: CorsSpec | None


def api_names(template: Mapping[str, Any]) -> list[str]:
    """Logical ids of the HTTP APIs, those with routes for tokens first. Reads no references, so that the APIs can have
    their URLs before the references are resolved."""
    resources = template["Resources"]
    names = [name for name, resource in resources.items() if resource["Type"] == "AWS::ApiGatewayV2::Api"]
    with_tokens = apis_with(template, "JWT")
    return sorted(names, key=lambda name: name not in with_tokens)


def apis_with(template: Mapping[str, Any], authorization: Authorization) -> set[str]:
    """Logical ids of the HTTP APIs that have a route with this authorization."""
    return {
        resource["Properties"]["ApiId"]["Ref"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::ApiGatewayV2::Route"
        and resource["Properties"].get("AuthorizationType", "NONE") == authorization
    }


def http_apis(stack: Stack) -> list[HttpApiSpec]:
    """In the order of `api_names`. Raises TemplateError for what API Gateway would refuse, or is not known here."""
    routes = [_route(stack, name) for name in stack.of_type("AWS::ApiGatewayV2::Route")]
    specs = []
    for name in api_names(stack.assembly.template):
        api_id, properties = stack.reference(name, None), stack.properties(name)
        if properties.get("ProtocolType", "HTTP") != "HTTP":
            raise TemplateError(f"{name}: the local runtime knows HTTP APIs only")
        own = tuple(route for route in routes if route.api == api_id)
        specs.append(HttpApiSpec(name, own, _cors(properties.get("CorsConfiguration"))))
    return specs


def _route(stack: Stack, name: str) -> RouteSpec:
    properties = stack.properties(name)
    authorization = properties.get("AuthorizationType", "NONE")
    if authorization not in ("NONE", "AWS_IAM", "JWT"):
        raise TemplateError(f"{name}: the local runtime does not know the authorizer {authorization}")
    if authorization == "JWT":
        _check_authorizer(stack, name, properties.get("AuthorizerId"))
    integration = _find_resource(stack, "Integration", properties["Target"].removeprefix("integrations/"))
    if integration is None:
        raise TemplateError(f"{name}: there is no integration {properties['Target']}")
    if integration.get("PayloadFormatVersion") != "2.0":
        raise TemplateError(f"{name}: the local runtime knows payload format 2.0 only")
    function, api = stack.function_of(integration["IntegrationUri"]), properties["ApiId"]
    if not any(
        permission["Principal"] == "apigateway.amazonaws.com"
        and stack.find_function(permission["FunctionName"]) is function
        and _is_of_api(permission.get("SourceArn"), api)
        for permission in map(stack.properties, stack.of_type("AWS::Lambda::Permission"))
    ):
        raise TemplateError(f"{name}: API Gateway has no permission to invoke {function.label}")
    scopes = tuple(properties.get("AuthorizationScopes", ()))
    return RouteSpec(properties["RouteKey"], function, authorization, api, scopes)


def _is_of_api(source_arn: str | None, api: str) -> bool:
    """Whether a permission is for requests through this API: `arn:aws:execute-api:<region>:<account>:<api>/…`."""
    return source_arn is None or source_arn.split(":", 5)[-1].partition("/")[0] in (api, "*")


def _check_authorizer(stack: Stack, route: str, authorizer_id: Any) -> None:
    authorizer = _find_resource(stack, "Authorizer", authorizer_id)
    if authorizer is None:
        raise TemplateError(f"{route}: there is no authorizer {authorizer_id}")
    if authorizer.get("AuthorizerType") != "JWT":
        raise TemplateError(f"{route}: its authorizer is not of type JWT")
    source = authorizer.get("IdentitySource", ["$request.header.Authorization"])
    if source != ["$request.header.Authorization"]:
        raise TemplateError(f"{route}: the local runtime takes tokens from the header Authorization, not from {source}")
    configuration = authorizer.get("JwtConfiguration", {})
    if not configuration.get("Issuer") or not configuration.get("Audience"):
        raise TemplateError(f"{route}: its authorizer has no issuer, or no audience")


def _find_resource(stack: Stack, kind: str, reference: Any) -> dict[str, Any] | None:
    """The properties of the resource that `Ref` gave as `reference`."""
    for name in stack.of_type(f"AWS::ApiGatewayV2::{kind}"):
        if stack.reference(name, None) == reference:
            return stack.properties(name)
    return None


def _cors(configuration: Mapping[str, Any] | None) -> CorsSpec | None:
    if configuration is None:
        return None
    return CorsSpec(
        origins=tuple(configuration.get("AllowOrigins", ())),
        methods=tuple(configuration.get("AllowMethods", ())),
        headers=tuple(configuration.get("AllowHeaders", ())),
        exposed_headers=tuple(configuration.get("ExposeHeaders", ())),
        credentials=bool(configuration.get("AllowCredentials", False)),
        max_age=configuration.get("MaxAge"),
    )
