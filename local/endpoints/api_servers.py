"""The servers of the template's HTTP APIs, one each on a port of its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from local.aws.principals import Principals
from local.clock import Clock
from local.endpoints.aws import Mail
from local.endpoints.http_api import BODY_LIMIT, HttpApi
from local.endpoints.iam_authorizer import IamAuthorizer
from local.endpoints.local_pages import Control, LocalPages
from local.endpoints.payload_format import gateway_response
from local.functions.function import Function
from local.http_server import Request, Response, Server
from local.identity.issuer import Issuer
from local.identity.minting import TokenMinter
from local.identity.tokens import JwtAuthorizer
from local.template.http_apis import HttpApiSpec, api_names, apis_with, http_apis
from local.template.intrinsics import ACCOUNT, TemplateError
from local.template.stack import Stack

ISSUER_PATH = "/_local/issuer"


class ApiServers:
    """They listen from `start` on, so that the template's references to them have values, and answer 503 until `serve`.

    `url`: of the JWT API, else of the only one there is. `iam_url`: None for a template without an IAM API.
    """

    def __init__(self, template: Mapping[str, Any]) -> None:
        self._names = api_names(template)
        self._with_tokens, self._with_iam = apis_with(template, "JWT"), apis_with(template, "AWS_IAM")
        self._apis: dict[str, HttpApi] = {}
        self._servers: list[Server] = []
        self.urls: dict[str, str] = {}
        self.issuer: Issuer | None = None
        self.minter: TokenMinter | None = None
        self.token_secret = secrets.token_hex(20)
        """Who may have tokens made: see LocalPages."""

    @classmethod
    async def start(cls, template: Mapping[str, Any], port: int) -> ApiServers:
        """The first API listens on `port`, the second on the next one, or any free one when that is taken. 0: any free
        ones. Raises OSError when `port` is taken."""
        servers = cls(template)
        try:
            for index, name in enumerate(servers._names):
                await servers._listen(name, port + index if port else 0, needed=index == 0)
        except OSError:
            servers.close()
            raise
        return servers

    @property
    def url(self) -> str:
        return next(iter(self.urls.values()), "")

    @property
    def iam_url(self) -> str | None:
        return next((url for name, url in self.urls.items() if name in self._with_iam), None)

    @property
    def issuer_url(self) -> str:
        return self.url + ISSUER_PATH

    @property
    def in_flight(self) -> int:
        """Requests that wait for a function."""
        return sum(api.in_flight for api in self._apis.values())

    def serve(
        self,
        stack: Stack,
        functions: Mapping[str, Function],
        *,
        principals: Principals,
        clock: Clock,
        mail: Callable[[], Iterable[Mail]],
        report: Callable[[str], None],
        controls: Mapping[str, Control],
    ) -> None:
        """Raises TemplateError."""
        specs = http_apis(stack)
        self.issuer = issuer = Issuer(self.issuer_url, now=clock.now) if self._with_tokens else None
        if issuer:
            self.minter = _minter(specs, issuer, clock)
        pages = LocalPages(mail=mail, issuer=issuer, minter=self.minter, secret=self.token_secret, controls=controls)
        # The issuer and the audience of the template are those of the deployed system.
        jwt = JwtAuthorizer(issuer.url, (issuer.client,), {issuer.key.id: issuer.key.public}) if issuer else None
        for index, spec in enumerate(specs):
            self._apis[spec.name] = HttpApi(
                spec.routes,
                functions,
                iam=IamAuthorizer(principals, report),
                jwt=jwt,
                cors=spec.cors,
                clock=clock,
                local_page=pages.serve if index == 0 else None,
            )

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _listen(self, name: str, port: int, *, needed: bool) -> None:
        def respond(request: Request) -> Response | Awaitable[Response]:
            api = self._apis.get(name)
            return api.serve(request) if api else gateway_response(503)

        def allows_page(target: str, origin: str) -> bool:
            api = self._apis.get(name)
            return api is not None and api.allows_page(target, origin)

        async def start(on: int) -> Server:
            return await Server.start(
                respond, on, body_limit=BODY_LIMIT, refusal=gateway_response, allows_page=allows_page
            )

        try:
            server = await start(port)
        except OSError:
            if needed:
                raise
            server = await start(0)
        self._servers.append(server)
        self.urls[name] = f"http://{server.address}"


def _minter(specs: Iterable[HttpApiSpec], issuer: Issuer, clock: Clock) -> TokenMinter:
    """For the rules of the functions behind the routes that take tokens."""
    routes = [route for spec in specs for route in spec.routes if route.authorization == "JWT"]
    rules = json.loads(routes[0].function.environment.get("AUTH", "{}")).get("jwt")
    if rules is None:
        raise TemplateError(f"{routes[0].function.label}: its variable AUTH has no rules for tokens (jwt)")
    return TokenMinter(
        issuer, rules=rules, route_scopes=[route.scopes for route in routes], default_tenant=ACCOUNT, now=clock.now
    )
