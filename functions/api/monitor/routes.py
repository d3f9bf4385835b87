"""Routes of the monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.request import ApiRequest
from functions.api.responses import json_response
from functions.api.routing import ResponseDescription, Route
from functions.core.roles import Role

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response


def get_health(request: ApiRequest) -> Response[str]:
    return json_response(200, {"status": "ok", "environment": request.services.environment.name})


def get_stats(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.stats.read(tenant=request.tenant, now=request.now))


ROUTES = (
    Route(
        method="GET",
        path="/monitor/health",
        name="getHealth",
        summary="Is it alive?",
        tag="monitor",
        handler=get_health,
        role=Role.VIEWER,
        # For load balancers and uptime checks, which have no identity.
        open=True,
        answers={200: ResponseDescription("It is.", "functions.api.monitor.schemas:Health")},
    ),
    Route(
        method="GET",
        path="/monitor/stats",
        name="getStats",
        summary="Counts, depths, age",
        tag="monitor",
        handler=get_stats,
        role=Role.VIEWER,
        answers={200: ResponseDescription("Now.", "functions.api.monitor.schemas:Stats")},
    ),
)
