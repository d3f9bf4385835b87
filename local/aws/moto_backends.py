"""moto in this process, called without HTTP: one request in, one response out, one at a time.

Everything that touches moto runs on the system's event loop, so a request is never interleaved with another
(moto has no lock of its own, and loses updates without one).
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import moto.backend_index
import moto.backends
from moto.core.request import Request as MotoRequest
from werkzeug.exceptions import HTTPException

from local.aws import calls
from local.http_server import Request, Response
from local.template.intrinsics import ACCOUNT, REGION

_Handler = Callable[[MotoRequest, str, Any], tuple[int, dict[str, Any], str | bytes]]


def backend(service: str) -> Any:
    """moto's own state of a service, by moto's name for it."""
    backends = moto.backends.get_backend(service)  # type: ignore[call-overload]
    return backends[ACCOUNT][REGION if REGION in backends[ACCOUNT] else "aws"]


def reset() -> None:
    """Delete the state of all services."""
    from moto.core.base_backend import BackendDict

    BackendDict.reset()


@functools.cache
def _routes(service: str, version2: bool) -> tuple[str, list[tuple[re.Pattern[str], _Handler]]]:
    host = f"{'email' if version2 else service}.{REGION}.amazonaws.com"
    known = moto.backend_index.backend_url_patterns
    name = "sesv2" if version2 else next((n for n, pattern in known if pattern.match(f"https://{host}")), None)
    if name is None:
        raise NotImplementedError(f"moto has no service {service}")
    return host, [(re.compile(url), handler) for url, handler in backend(name).urls.items()]


def respond(service: str, request: Request) -> Response:
    """moto's response to a request; 501 for an operation that moto does not have."""
    try:
        host, routes = _routes(service, service == "ses" and request.path.startswith("/v2/"))
        url = f"https://{host}{request.path}"
        handler = next((handler for pattern, handler in routes if pattern.match(url)), None)
        if handler is None:
            raise NotImplementedError(f"moto has no {service} under {request.method} {request.path}")
        moto_request = _moto_request(host, request)
        try:
            status, headers, body = handler(moto_request, moto_request.raw_url, moto_request.headers)
        except HTTPException as failure:
            status, headers, body = failure.code or 500, dict(failure.get_headers()), failure.get_body()
    except NotImplementedError as missing:
        return calls.error_response(service, "NotImplemented", f"{missing} (moto, local runtime)", 501)
    content = body.encode() if isinstance(body, str) else body
    response_headers = [
        (name, str(value))
        for name, value in headers.items()
        if name.lower() not in ("status", "connection", "transfer-encoding")
        and (name.lower() != "content-length" or request.method == "HEAD")
    ]
    return Response(int(status), content, response_headers)


def _moto_request(host: str, request: Request) -> MotoRequest:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": unquote(request.path, "latin-1"),
        "QUERY_STRING": request.query,
        "RAW_URI": request.target,
        "SERVER_NAME": host,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(request.body),
        "CONTENT_LENGTH": str(len(request.body)),
        "CONTENT_TYPE": request.headers.get("content-type", ""),
    }
    for name, value in request.headers.items():
        if name not in ("content-type", "content-length", "host", "transfer-encoding"):
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ["HTTP_HOST"] = host
    return MotoRequest(environ)
