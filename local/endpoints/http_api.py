"""API Gateway's HTTP API: the template's routes, AWS_IAM authorization, payload format 2.0."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.aws.principals import Principal, Principals, Signature
from local.clock import Clock
from local.functions.function import Function
from local.http_server import Request, Response
from local.template.intrinsics import ACCOUNT, REGION
from local.template.roles import Permission, PermissionDenied
from local.template.stack import RouteSpec

BODY_LIMIT = 10 * 1024 * 1024
EVENT_LIMIT = 6 * 1024 * 1024
HEADER_LIMIT = 10 * 1024
_TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml|javascript|x-www-form-urlencoded)|multipart/form-data")
# Messages of API Gateway's own responses.
_MESSAGES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

UNSIGNED_CALLER = Principal(
    "developer", f"arn:aws:sts::{ACCOUNT}:assumed-role/DevelopmentCaller/local", None, "local-developer", "local"
)
"""Principal of unsigned requests, and of requests signed with its key."""


def developer_principal(access_key: str) -> Principal | None:
    """The principal of the access key `local-<name>`: each name is an administrator of an account of its own."""
    if access_key == UNSIGNED_CALLER.access_key:
        return UNSIGNED_CALLER
    match = re.fullmatch(r"local-([\w-]{1,50})", access_key)
    if match is None:
        return None
    account = int(hashlib.sha256(match[1].encode()).hexdigest(), 16) % 10**12
    arn = f"arn:aws:sts::{account:012}:assumed-role/{match[1]}/local"
    return Principal(match[1], arn, None, access_key, UNSIGNED_CALLER.secret)


@dataclass(frozen=True)
class _Route:
    spec: RouteSpec
    method: str
    pattern: re.Pattern[str]
    rank: tuple[int, ...]


class HttpApi:
    """The HTTP API in front of the functions."""

    def __init__(
        self,
        routes: list[RouteSpec],
        functions: dict[str, Function],
        *,
        principals: Principals,
        clock: Clock,
        local_page: Callable[[Request], Response | None],
        report: Callable[[str], None],
    ) -> None:
        self._functions = functions
        self._principals = principals
        self._clock = clock
        self._local_page = local_page
        self._report = report
        self._routes = sorted(map(_compile_route, routes), key=lambda route: route.rank)
        self.in_flight = 0

    def serve(self, request: Request) -> Response | Awaitable[Response]:
        if request.path.startswith("/_local/"):
            return self._local_page(request) or gateway_response(404)
        if sum(len(name) + len(value) for name, value in request.headers.items()) > HEADER_LIMIT:
            return gateway_response(431)
        path = request.path if request.path.startswith("/") else "/" + request.path
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and route.method in ("ANY", request.method):
                break
        else:
            return gateway_response(404)
        caller = None
        if route.spec.signed and (caller := self._authorize(request, route.spec, path)) is None:
            return gateway_response(403)
        event = self._event(request, route.spec, path, match, caller)
        payload = json.dumps(event).encode()
        if len(payload) > EVENT_LIMIT:
            return gateway_response(413)
        return self._invoke(self._functions[route.spec.function.arn], payload)

    def _authorize(self, request: Request, route: RouteSpec, path: str) -> Principal | None:
        """The principal of a request under AWS_IAM. None when the signature is invalid, or when the policies of its
        principal do not allow the request. A request without an authorization header is the unsigned caller's; one with
        a bearer token is refused."""
        if "authorization" not in request.headers:
            return UNSIGNED_CALLER
        signature = Signature.from_request(request)
        if signature is None or signature.service != "execute-api":
            return None
        caller = self._principals.get(signature.access_key) or developer_principal(signature.access_key)
        if caller is None or not signature.is_valid(caller.secret, request):
            return None
        resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{route.api}/$default/{request.method}{path}"
        try:
            caller.require([Permission("execute-api:Invoke", resource)])
        except PermissionDenied as denied:
            self._report(denied.message(caller.arn))
            return None
        return caller

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
            return _response_of_function(json.loads(result.payload))
        except (ValueError, TypeError, AttributeError):
            return gateway_response(500)

    def _event(
        self, request: Request, route: RouteSpec, path: str, match: re.Match[str], caller: Principal | None
    ) -> dict[str, Any]:
        headers = dict(request.headers)
        cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
        host = headers.get("host", "127.0.0.1")
        headers.setdefault("x-forwarded-for", "127.0.0.1")
        headers.setdefault("x-forwarded-port", host.partition(":")[2] or "80")
        headers.setdefault("x-forwarded-proto", "http")
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        context: dict[str, Any] = {
            "accountId": ACCOUNT,
            "apiId": route.api,
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
            "routeKey": route.key,
            "stage": "$default",
            "time": f"{now:%d/%b/%Y:%H:%M:%S +0000}",
            "timeEpoch": int(now.timestamp() * 1000),
        }
        if caller:
            context["authorizer"] = {"iam": caller.iam_identity()}
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route.key,
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
        if match.groupdict():
            event["pathParameters"] = {name: unquote(value) for name, value in match.groupdict().items()}
        if request.body:
            text = _decode_text(request.body, headers.get("content-type", ""))
            event["body"] = base64.b64encode(request.body).decode() if text is None else text
            event["isBase64Encoded"] = text is None
        return event


def _decode_text(body: bytes, content_type: str) -> str | None:
    """The body as text, or None when the event carries it as base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _TEXT.fullmatch(kind):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


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


def _response_of_function(answer: Any) -> Response:
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
