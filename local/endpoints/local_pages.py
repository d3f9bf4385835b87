"""The local system's own paths, below `/_local/`: its mail, its issuer, tokens of it, its clock."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from local.endpoints.aws import Mail
from local.endpoints.payload_format import gateway_response
from local.http_server import Request, Response
from local.identity.issuer import Issuer
from local.identity.minting import InvalidTokenRequest, TokenMinter

MAIL_PATH = "/_local/mail"
TOKEN_PATH = "/_local/token"  # noqa: S105 - a path


CONTROL_PATH = "/_local/control/"
"""Below it: what tests do with the system, `advance`, `settle` and `reset`."""
Control = Callable[..., Awaitable[Any]]


class LocalPages:
    """`issuer`, `minter`: None where no API takes tokens.

    `secret`: who asks for a token has to show it as a bearer token. It stands in the endpoint file, which only its
    owner can read. Without it every user of the machine could have a token, and so could whoever submits a task that
    calls a webhook.
    """

    def __init__(
        self,
        *,
        mail: Callable[[], Iterable[Mail]],
        issuer: Issuer | None,
        minter: TokenMinter | None,
        secret: str,
        controls: Mapping[str, Control],
    ) -> None:
        self._mail = mail
        self._issuer = issuer
        self._minter = minter
        self._secret = secret
        self._controls = controls

    def serve(self, request: Request) -> Response | Awaitable[Response]:
        if request.path.startswith(CONTROL_PATH):
            return self._control(request)
        if request.path == TOKEN_PATH and self._minter:
            return self._token(request, self._minter)
        if request.method != "GET":
            return gateway_response(404)
        if request.path == MAIL_PATH:
            return _json(200, [asdict(mail) for mail in self._mail()])
        return (self._issuer and self._issuer.respond(request.path)) or gateway_response(404)

    def _token(self, request: Request, minter: TokenMinter) -> Response:
        if request.method != "POST":
            return _json(405, {"message": "POST a role, a tenant and a ttl"}, ("allow", "POST"))
        if not self._shows_secret(request):
            message = "the bearer token has to be the tokenSecret of .local/endpoint.json: `taskyard token` sends it"
            return _json(401, {"message": message}, ("www-authenticate", "Bearer"))
        try:
            minted = minter.mint_for(json.loads(request.body or b"{}"))
        except InvalidTokenRequest as error:
            return _json(400, {"message": str(error)})
        except (ValueError, RecursionError):
            return _json(400, {"message": "the body is not JSON"})
        return _json(200, minted.document())

    def _shows_secret(self, request: Request) -> bool:
        authorization = request.headers.get("authorization", "")
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._secret}".encode())

    def _control(self, request: Request) -> Response | Awaitable[Response]:
        control = self._controls.get(request.path.removeprefix(CONTROL_PATH))
        if control is None:
            return gateway_response(404)
        if request.method != "POST":
            return _json(405, {"message": "POST the arguments"}, ("allow", "POST"))
        if not self._shows_secret(request):
            message = "the bearer token has to be the controlSecret of the endpoint file"
            return _json(401, {"message": message}, ("www-authenticate", "Bearer"))
        try:
            arguments = json.loads(request.body or b"{}")
            return self._control_response(control(**arguments))
        except (ValueError, TypeError) as error:
            return _json(400, {"message": str(error)})

    async def _control_response(self, work: Awaitable[Any]) -> Response:
        return _json(200, await work)


def _json(status: int, document: Any, *headers: tuple[str, str]) -> Response:
    return Response(status, json.dumps(document).encode(), [("content-type", "application/json"), *headers])
