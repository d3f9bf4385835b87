"""Routes of the API's own documentation."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.event_handler import Response

from functions.api.request import ApiRequest
from functions.api.responses import json_response
from functions.api.routing import ResponseDescription, Route
from functions.core.roles import Role


def get_openapi(request: ApiRequest) -> Response[str]:
    from functions.api.openapi import document

    return json_response(200, document(request.services.longest_timeout_limit, request.services.environment.auth.apis))


def get_docs(request: ApiRequest) -> Response[Any]:
    from functions.api.documentation.page import page

    gzipped = "gzip" in (request.header("accept-encoding") or "")
    answer = page(request.services.longest_timeout_limit, request.services.environment.auth.apis, gzipped=gzipped)
    headers = {
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": answer.policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(
        200, "text/html; charset=utf-8", answer.body, headers | ({"Content-Encoding": "gzip"} if gzipped else {})
    )


ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        name="getOpenApi",
        summary="This document",
        tag="documentation",
        handler=get_openapi,
        role=Role.VIEWER,
        open=True,
        answers={200: ResponseDescription("OpenAPI 3.1.", media_types=("application/json",))},
    ),
    Route(
        method="GET",
        path="/docs",
        name="getDocs",
        summary="This document, as a page",
        tag="documentation",
        handler=get_docs,
        role=Role.VIEWER,
        open=True,
        answers={200: ResponseDescription("A page.", media_types=("text/html",))},
    ),
)
