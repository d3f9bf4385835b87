"""API Gateway's HTTP API: the template's routes, their authorizers, and what API Gateway answers itself."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.clock import Clock
from local.endpoints.cors import allows_origin, is_preflight, preflight_response, with_cors_headers
from local.endpoints.iam_authorizer import IamAuthorizer
from local.endpoints.payload_format import event_of, gateway_response, response_of_function
from local.functions.function import Function
from local.http_server import Request, Response
from local.identity.tokens import JwtAuthorizer, TokenRefused, refusal
from local.template.http_apis import CorsSpec, RouteSpec

BODY_LIMIT = 10 * 1024 * 1024
EVENT_LIMIT = 6 * 1024 * 1024
HEADER_LIMIT = 10 * 1024
LOCAL_PATHS = "/_local/"
"""Paths below it are of the local system, and of no route."""


@dataclass(frozen=True)
class _Route:
    spec: RouteSpec
    method: str
    pattern: re.Pattern[str]
    rank: tuple[int, ...]


class HttpApi:
    """One HTTP API in front of the functions. `jwt`: None where no route takes tokens. `local_page`: None for an API
    that serves none of the local system's own pages."""

    def __init__(
        self,
        routes: tuple[RouteSpec, ...],
        functions: Mapping[str, Function],
        *,
        iam: IamAuthorizer,
        clock: Clock,
        jwt: JwtAuthorizer | None = None,
        cors: CorsSpec | None = None,
        local_page: Callable[[Request], Response | Awaitable[Response]] | None = None,
    ) -> None:
        self._functions = functions
        self._iam = iam
        self._jwt = jwt
        self._cors = cors
        self._clock = clock
        self._local_page = local_page
        self._routes = sorted(map(_compile_route, routes), key=lambda route: route.rank)
        self.in_flight = 0

    def allows_page(self, target: str, origin: str) -> bool:
        """Whether a page of this origin may call this path from a browser. The local system's own paths are for no
        page: they hand out tokens."""
        return allows_origin(self._cors, origin) and not target.startswith(LOCAL_PATHS)

    def serve(self, request: Request) -> Response | Awaitable[Response]:
        if self._local_page and request.path.startswith(LOCAL_PATHS):
            return self._local_page(request)
        if sum(len(name) + len(value) for name, value in request.headers.items()) > HEADER_LIMIT:
            return gateway_response(431)
        path = request.path if request.path.startswith("/") else "/" + request.path
        route, parameters = self._match(request.method, path)
        response: Response | Awaitable[Response]
        authorizer = self._authorize(request, route, path) if route else None
        origin = request.headers.get("origin", "")
        if isinstance(authorizer, Response):
            response = authorizer
        elif self._cors and is_preflight(request.method, request.headers):
            # Answered for every path, but after the authorizer of a route that takes OPTIONS, as $default does.
            return preflight_response(self._cors, origin)
        elif route is None:
            response = gateway_response(404)
        else:
            response = self._serve_route(request, route, path, parameters, authorizer)
        if isinstance(response, Response):
            return with_cors_headers(self._cors, origin, response)
        return self._with_cors_headers(origin, response) if self._cors else response

    async def _with_cors_headers(self, origin: str, response: Awaitable[Response]) -> Response:
        return with_cors_headers(self._cors, origin, await response)

    def _match(self, method: str, path: str) -> tuple[RouteSpec | None, Mapping[str, str]]:
        """The most specific route, and its path parameters."""
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and route.method in ("ANY", method):
                return route.spec, match.groupdict()
        return None, {}

    def _serve_route(
        self,
        request: Request,
        route: RouteSpec,
        path: str,
        parameters: Mapping[str, str],
        authorizer: Mapping[str, Any] | None,
    ) -> Response | Awaitable[Response]:
        event = event_of(
            request,
            route_key=route.key,
            api=route.api,
            path=path,
            path_parameters=parameters,
            authorizer=authorizer,
            now=self._clock.now(),
        )
        payload = json.dumps(event).encode()
        if len(payload) > EVENT_LIMIT:
            return gateway_response(413)
        return self._invoke(self._functions[route.function.arn], payload)

    def _authorize(self, request: Request, route: RouteSpec, path: str) -> dict[str, Any] | Response | None:
        """`requestContext.authorizer`; None for a route without an authorizer; a response for a request that it
        refuses."""
        match route.authorization:
            case "NONE":
                return None
            case "AWS_IAM":
                caller = self._iam.authorize(request, api=route.api, path=path)
                return gateway_response(403) if caller is None else {"iam": caller.iam_identity()}
            case "JWT":
                assert self._jwt is not None, "an API with such a route has an authorizer"
                try:
                    return self._jwt.authorize(request.headers, scopes=route.scopes, now=self._clock.now())
                except TokenRefused as refused:
                    return refusal(refused)

    async def _invoke(self, function: Function, payload: bytes) -> Response:
        self.in_flight += 1
        try:
            result = await function.invoke(payload)
        finally:
            self.in_flight -= 1
        if result.failed:
            timed_out = b"Sandbox.Timedout" in result.payload
            return gateway_response(503) if timed_out else gateway_response(500)
        try:
            return response_of_function(json.loads(result.payload))
        except (ValueError, TypeError, AttributeError):
            return gateway_response(500)


def _compile_route(spec: RouteSpec) -> _Route:
    if spec.key == "$default":
        return _Route(spec, "ANY", re.compile(".*"), (9,))
    method, _, path = spec.key.partition(" ")
    parts, rank = [], []
    for part in path.strip("/").split("/"):
        greedy = re.fullmatch(r"\{(\w+)\+\}", part)
        single = re.fullmatch(r"\{(\w+)\}", part)
        name = greedy or single
        parts.append(f"(?P<{name[1]}>{'.+' if greedy else '[^/]+'})" if name else re.escape(part))
        rank.append(2 if greedy else 1 if single else 0)
    return _Route(spec, method, re.compile("/" + "/".join(parts)), (*rank, 1 if method == "ANY" else 0))
