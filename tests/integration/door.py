"""The api function behind the local system's own gateway, in process: a request as it goes over the wire, whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from functions.api.routes import ROUTES
from local.aws.principals import Principal
from local.clock import Clock
from local.endpoints.http_api import HttpApi
from local.endpoints.iam_authorizer import IamAuthorizer
from local.functions.function import Function
from local.http_server import Request, Response
from local.template.http_apis import RouteSpec
from local.template.intrinsics import ACCOUNT
from local.template.stack import FunctionSpec
from tests.integration.cloud import Cloud


class _DeveloperSigns:
    """In place of the IAM authorizer: requests need no signature, and are of one principal of the local account."""

    def authorize(self, request: Request, *, api: str, path: str) -> Principal:
        arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/DevelopmentCaller/local"
        return Principal("developer", arn, None, "local-developer", "local")


class Door:
    """`paths`: as infra/functions/api.py has them, `{id}` for what varies."""

    def __init__(self, aws: Cloud, clock: Any) -> None:
        self._aws = aws
        api = cast(FunctionSpec, SimpleNamespace(arn="api"))
        routes = [RouteSpec(route.key, api, "NONE" if route.open else "AWS_IAM", "api") for route in ROUTES]
        routes.append(RouteSpec("$default", api, "AWS_IAM", "api"))
        function = cast(Function, SimpleNamespace(invoke=self._invoke))
        seconds = cast(Clock, SimpleNamespace(now=lambda: clock() / 1000))
        self._gateway = HttpApi(
            tuple(routes), {"api": function}, iam=cast(IamAuthorizer, _DeveloperSigns()), clock=seconds
        )

    async def _invoke(self, payload: bytes) -> Any:
        """An exception would be the runtime's error report, and the gateway's 500."""
        answer = json.dumps(self._aws.invoke("api", json.loads(payload)))
        return SimpleNamespace(payload=answer.encode(), failed=False)

    def __call__(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """`target`: path and query, encoded as they are sent."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        served = self._gateway.serve(Request(method, target, sent, body))

        async def answered() -> Response:
            return served if isinstance(served, Response) else await served

        return asyncio.run(answered())
