"""Payload format 2.0 of an HTTP API: the event of a request, and the response that a function's answer makes."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.http_server import Request, Response
from local.template.intrinsics import ACCOUNT

_TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml|javascript|x-www-form-urlencoded)|multipart/form-data")
# Messages of API Gateway's own responses.
_MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def event_of(
    request: Request,
    *,
    route_key: str,
    api: str,
    path: str,
    path_parameters: Mapping[str, str],
    authorizer: Mapping[str, Any] | None,
    now: float,
) -> dict[str, Any]:
    """`path_parameters`: as they are in the path, encoded. `authorizer`: what the route's authorizer tells the
    function, None for a route without one. `now`: seconds since the epoch."""
    headers = dict(request.headers)
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    host = headers.get("host", "127.0.0.1")
    headers.setdefault("x-forwarded-for", "127.0.0.1")
    headers.setdefault("x-forwarded-port", host.partition(":")[2] or "80")
    headers.setdefault("x-forwarded-proto", "http")
    at = datetime.fromtimestamp(now, UTC)
    context: dict[str, Any] = {
        "accountId": ACCOUNT,
        "apiId": api,
        "domainName": host.partition(":")[0],
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid.uuid4().hex[:16],
        "routeKey": route_key,
        "stage": "$default",
        "time": f"{at:%d/%b/%Y:%H:%M:%S +0000}",
        "timeEpoch": int(now * 1000),
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        values: dict[str, str] = {}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            values[name] = f"{values[name]},{value}" if name in values else value
        event["queryStringParameters"] = values
    if path_parameters:
        event["pathParameters"] = {name: unquote(value) for name, value in path_parameters.items()}
    if request.body:
        text = _decode_text(request.body, headers.get("content-type", ""))
        event["body"] = base64.b64encode(request.body).decode() if text is None else text
        event["isBase64Encoded"] = text is None
    return event


def response_of_function(answer: Any) -> Response:
    """The response that a function returns: its own `statusCode` and headers, else 200 with its value as JSON."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(200, body.encode(), [("content-type", "application/json")])
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    headers = [(name, value) for name, value in headers if name.lower() not in ("content-length", "transfer-encoding")]
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return Response(int(answer["statusCode"]), content, headers)


def gateway_response(status: int) -> Response:
    """A response of API Gateway's own, not of a function."""
    body = json.dumps({"message": _MESSAGES[status]}, separators=(",", ":")).encode()
    return Response(status, body, [("content-type", "application/json")])


def _decode_text(body: bytes, content_type: str) -> str | None:
    """The body as text, or None when the event carries it as base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _TEXT.fullmatch(kind):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
