"""Route of notifications that could not be delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.paging import page_parameters
from functions.api.request import ApiRequest
from functions.api.responses import json_response
from functions.api.routing import QueryParameter, ResponseDescription, Route
from functions.core.roles import Role

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response


def list_notifications(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.notifications.page(request.tenant, request.query))


ROUTES = (
    Route(
        method="GET",
        path="/notifications",
        name="listNotifications",
        summary="Notifications that could not be delivered, newest first",
        tag="tasks",
        handler=list_notifications,
        role=Role.VIEWER,
        query=(
            QueryParameter("state", {"type": "string", "enum": ["UNDELIVERABLE"]}, required=True),
            *page_parameters("Notifications"),
        ),
        answers={200: ResponseDescription("A page.", "functions.api.notifications.schemas:NotificationList")},
    ),
)
