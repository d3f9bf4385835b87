"""API Gateway's HTTP API: the template's routes, AWS_IAM authorization, payload format 2.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local.aws_calls import credential
from local.clock import Clock
from local.functions import Function
from local.http_server import Request, Response
from local.intrinsics import ACCOUNT
from local.stack import RouteSpec

SECRET = "local"  # noqa: S105 - of every development caller
BODY_LIMIT = 10 * 1024 * 1024
EVENT_LIMIT = 6 * 1024 * 1024
HEADER_LIMIT = 10 * 1024
_TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml|javascript|x-www-form-urlencoded)|multipart/form-data")
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


@dataclass(frozen=True)
class Caller:
    """Who signed a request."""

    access_key: str
    account: str
    role: str

    def identity(self) -> dict[str, Any]:
        """As in `requestContext.authorizer.iam`."""
        unique = f"AROA{hashlib.sha256(self.role.encode()).hexdigest()[:16].upper()}:local"
        return {
            "accessKey": self.access_key,
            "accountId": self.account,
            "callerId": unique,
            "cognitoIdentity": None,
            "principalOrgId": "aws:PrincipalOrgID",
            "userArn": f"arn:aws:sts::{self.account}:assumed-role/{self.role}/local",
            "userId": unique,
        }


DEVELOPER = Caller("local-developer", ACCOUNT, "DevelopmentCaller")


def caller_of(access_key: str) -> Caller | None:
    """The caller that a key of the form `local-<name>` names: each name is an account of its own."""
    if access_key == DEVELOPER.access_key:
        return DEVELOPER
    name = access_key.removeprefix("local-")
    if name == access_key or not re.fullmatch(r"[\w-]{1,50}", name):
        return None
    account = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10**12
    return Caller(access_key, f"{account:012}", name)


def signed_by(request: Request, access_key: str) -> bool:
    """Whether the SigV4 signature is that of `access_key` and the development secret. The date is not held against
    the clock, which may be virtual."""
    authorization = request.headers["authorization"]
    signed = re.search(r"SignedHeaders=([^,\s]+)", authorization)
    scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/", authorization)
    given = re.search(r"Signature=([0-9a-f]{64})", authorization)
    if not (signed and scope and given and "x-amz-date" in request.headers):
        return False
    rebuilt = AWSRequest(request.method, f"http://{request.headers.get('host', '')}{request.target}", data=request.body)
    if "x-amz-content-sha256" in request.headers:
        rebuilt.headers["X-Amz-Content-SHA256"] = request.headers["x-amz-content-sha256"]
    rebuilt.context["timestamp"] = request.headers["x-amz-date"]
    headers = HTTPHeaders.from_dict({name: request.headers.get(name, "") for name in signed[1].split(";")})
    signer = SigV4Auth(Credentials(access_key, SECRET), scope[2], scope[1])
    signer.headers_to_sign = lambda _: headers
    text = signer.string_to_sign(rebuilt, signer.canonical_request(rebuilt))
    return hmac.compare_digest(signer.signature(text, rebuilt), given[1])


@dataclass(frozen=True)
class _Route:
    spec: RouteSpec
    method: str
    pattern: re.Pattern[str]
    rank: tuple[int, ...]


class Gateway:
    """The HTTP API in front of the functions."""

    def __init__(
        self,
        routes: list[RouteSpec],
        functions: dict[str, Function],
        clock: Clock,
        inspect: Callable[[Request], Response | None],
    ) -> None:
        self._functions = functions
        self._clock = clock
        self._inspect = inspect
        self._routes = sorted(map(_compile, routes), key=lambda route: route.rank)
        self.in_flight = 0

    def serve(self, request: Request) -> Response | Awaitable[Response]:
        if not _LOOPBACK.fullmatch(request.headers.get("host", "127.0.0.1")):
            return _message(403, "Forbidden")  # a page elsewhere whose name was bound to this address
        if request.path.startswith("/_local/"):
            return self._inspect(request) or _message(404, "Not Found")
        if sum(len(name) + len(value) for name, value in request.headers.items()) > HEADER_LIMIT:
            return _message(431, "Request Header Fields Too Large")
        path = request.path if request.path.startswith("/") else "/" + request.path
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match and route.method in ("ANY", request.method):
                break
        else:
            return _message(404, "Not Found")
        caller: Caller | None = None
        if route.spec.signed:
            caller = DEVELOPER
            if request.headers.get("authorization", "").startswith("AWS4-"):
                key = credential(request)
                caller = caller_of(key[0]) if key else None
                if caller is None or not signed_by(request, caller.access_key):
                    return _message(403, "Forbidden")
        event = self._event(request, route.spec, path, match, caller)
        payload = json.dumps(event).encode()
        if len(payload) > EVENT_LIMIT:
            return _message(413, "Request Entity Too Large")
        return self._invoke(self._functions[route.spec.function.arn], payload)

    async def _invoke(self, function: Function, payload: bytes) -> Response:
        self.in_flight += 1
        try:
            result = await function.invoke(payload)
        finally:
            self.in_flight -= 1
        if result.failed:
            timed_out = b"Sandbox.Timedout" in result.payload
            return _message(503, "Service Unavailable") if timed_out else _message(500, "Internal Server Error")
        try:
            return _response(json.loads(result.payload))
        except (ValueError, TypeError, AttributeError):
            return _message(500, "Internal Server Error")

    def _event(
        self, request: Request, route: RouteSpec, path: str, match: re.Match[str], caller: Caller | None
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
            "apiId": "local",
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
            context["authorizer"] = {"iam": caller.identity()}
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
            text = _text(request.body, headers.get("content-type", ""))
            event["body"] = base64.b64encode(request.body).decode() if text is None else text
            event["isBase64Encoded"] = text is None
        return event


def _text(body: bytes, content_type: str) -> str | None:
    """The body as text, or None when it has to go as base64."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _TEXT.fullmatch(kind):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _compile(spec: RouteSpec) -> _Route:
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


def _response(answer: Any) -> Response:
    """A function's answer: with `statusCode` as it says, else JSON, 200."""
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


def _message(status: int, text: str) -> Response:
    return Response(status, json.dumps({"message": text}).encode(), [("content-type", "application/json")])
