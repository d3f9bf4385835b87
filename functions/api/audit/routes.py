"""Route of audit records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.api.paging import page_parameters
from functions.api.request import ApiRequest
from functions.api.responses import json_response
from functions.api.routing import QueryParameter, ResponseDescription, Route
from functions.core.audit import Action
from functions.core.roles import Role

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

TIME = {"type": "string", "format": "date-time"}


def list_audit_records(request: ApiRequest) -> Response[str]:
    return json_response(200, request.services.audit_reader.page(request.tenant, request.query))


ROUTES = (
    Route(
        method="GET",
        path="/audit",
        name="listAuditRecords",
        summary="Who did what, newest first",
        tag="audit",
        handler=list_audit_records,
        role=Role.ADMIN,
        query=(
            QueryParameter("since", TIME, "At this time or later."),
            QueryParameter("until", TIME, "Before this time."),
            QueryParameter("principal", {"type": "string", "maxLength": 256}, "Part of the principal's name."),
            QueryParameter("action", {"type": "string", "enum": [*map(str, Action), ""]}, "Empty: all."),
            QueryParameter("id", {"type": "string", "maxLength": 256}, "Of the task, workflow or schedule."),
            *page_parameters("Records"),
        ),
        answers={200: ResponseDescription("A page.", "functions.api.audit.schemas:AuditList")},
    ),
)
