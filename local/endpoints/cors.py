"""CORS of an HTTP API, as its template configures it: API Gateway answers preflights, and sets the headers itself."""

from __future__ import annotations

from collections.abc import Mapping

from local.http_server import Response
from local.template.http_apis import CorsSpec


def allows_origin(cors: CorsSpec | None, origin: str) -> bool:
    """`*`, `https://*` and `http://*` are patterns; every other entry is one origin."""
    if cors is None or not origin:
        return False
    return any(
        origin.startswith(each[:-1]) if each in ("*", "https://*", "http://*") else origin == each
        for each in cors.origins
    )


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_response(cors: CorsSpec, origin: str) -> Response:
    """Without the headers for an origin that is not allowed."""
    headers = _origin_headers(cors, origin)
    if headers:
        headers += [("access-control-allow-methods", ",".join(cors.methods))] if cors.methods else []
        headers += [("access-control-allow-headers", ",".join(cors.headers))] if cors.headers else []
        headers += [("access-control-max-age", str(cors.max_age))] if cors.max_age is not None else []
    return Response(204, b"", headers)


def with_cors_headers(cors: CorsSpec | None, origin: str, response: Response) -> Response:
    """The response with the configured headers in place of a function's own; as it is where no CORS is configured."""
    if cors is None:
        return response
    own = [(name, value) for name, value in response.headers if not name.lower().startswith("access-control-")]
    added = _origin_headers(cors, origin)
    if added and cors.exposed_headers:
        added.append(("access-control-expose-headers", ",".join(cors.exposed_headers)))
    return Response(response.status, response.body, own + added)


def _origin_headers(cors: CorsSpec, origin: str) -> list[tuple[str, str]]:
    if not allows_origin(cors, origin):
        return []
    headers = [("access-control-allow-origin", "*" if "*" in cors.origins else origin)]
    if "*" not in cors.origins:
        headers.append(("vary", "origin"))
    if cors.credentials:
        headers.append(("access-control-allow-credentials", "true"))
    return headers
