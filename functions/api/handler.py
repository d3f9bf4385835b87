"""Entry point of the api function: an HTTP API event (payload format 2.0) → the answer of its route, or a problem."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from functions.api.request import ApiRequest
from functions.api.responses import problem_response
from functions.api.routes import ROUTES, allowed_methods
from functions.api.routing import Route
from functions.api.services import Services
from functions.intake import problems
from functions.intake import task_views as views
from functions.runtime.environment import ApiEnvironment

app = APIGatewayHttpResolver()
PREFLIGHT_ROUTE = "OPTIONS /{proxy+}"
"""Route of the template where CORS is configured: without an authorizer, unlike $default."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    if event.get("routeKey") == PREFLIGHT_ROUTE:
        # API Gateway adds the CORS headers. A browser takes no other status than a success.
        return {"statusCode": 204}
    try:
        return app.resolve(event, context)
    except Exception as error:
        # Raised outside of any route: the event is malformed, or the answer cannot be serialized.
        problem = problems.problem_of(error, request_id=context.aws_request_id)
        return {
            "statusCode": problem.status,
            "headers": {"Content-Type": problems.MEDIA_TYPE},
            "body": views.to_json(problem.document),
            "isBase64Encoded": False,
        }


@cache
def services() -> Services:
    logging.getLogger("taskyard").setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    return Services(ApiEnvironment(os.environ))


def respond_by(route: Route) -> Callable[..., Response[Any]]:
    def respond(id: str = "") -> Response[Any]:
        request_id = app.lambda_context.aws_request_id
        request = ApiRequest(route, app.current_event.raw_event, services(), request_id, id)
        if not request.is_audited:
            return act(request)
        error: Exception | None = None
        try:
            response = act(request)
        except Exception as raised:
            response, error = error_response(raised), raised
        request.services.audit_recorder.record(request, response, error)
        return response

    return respond


def act(request: ApiRequest) -> Response[Any]:
    request.require_role()
    return request.route.handler(request)


def error_response(error: Exception) -> Response[str]:
    return problem_response(error, app.lambda_context.aws_request_id)


def no_route_response(_: Exception) -> Response[str]:
    method, path = app.current_event.http_method, app.current_event.path
    allowed = allowed_methods(path)
    # Powertools also refuses a path with characters that an id cannot have, though a route takes this method.
    if not allowed or method in allowed:
        return error_response(problems.NoSuchRoute(method, path))
    return error_response(problems.MethodNotAllowed(method, path, allowed))


for route in ROUTES:
    app.route(route.path.replace("{", "<").replace("}", ">"), method=route.method)(respond_by(route))
app.exception_handler(Exception)(error_response)
app.exception_handler(NotFoundError)(no_route_response)
