"""An HTTP API's JWT authorizer: which tokens it lets in, what it answers to others, what it tells the function.

The order of the checks and their meaning are of "Control access to HTTP APIs with JWT authorizers" in API Gateway's
developer guide. Where the guide leaves something open, the stricter reading is taken, so that what passes here passes
there: RS256 only, as the local issuer's keys say (the guide: RSA-based algorithms); `exp` is required; no leeway for
clocks that differ.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from local.http_server import Response
from local.identity.jose import ALGORITHM, Unreadable, decode, decode_object, is_signed_by

TOKEN_LIMIT = 10_240
"""Bytes. API Gateway takes no request whose request line and header values are together larger."""


class TokenRefused(Exception):
    """A request that does not reach its function."""


@dataclass
class NoToken(TokenRefused):
    """The request carries none."""


@dataclass
class InvalidToken(TokenRefused):
    """`description`: for `error_description`. AWS publishes its words for the audience and the number of segments;
    those for the other checks are not its."""

    description: str


@dataclass
class InsufficientScope(TokenRefused):
    """`scopes`: any one of them would do."""

    scopes: Sequence[str]


@dataclass(frozen=True)
class JwtAuthorizer:
    """`issuer` and `audience` as the template configures them; `keys`: the issuer's, by id."""

    issuer: str
    audience: tuple[str, ...]
    keys: Mapping[str, rsa.RSAPublicKey]

    def authorize(self, headers: Mapping[str, str], *, scopes: Sequence[str], now: float) -> dict[str, Any]:
        """`requestContext.authorizer` for the function. `headers`: names in lower case. `scopes`: of the route, empty
        where it asks for none. `now`: seconds since the epoch. Raises TokenRefused."""
        token = bearer_token(headers)
        if token is None:
            raise NoToken()
        claims = self.verify(token, now)
        token_scopes = scopes_of(claims)
        if scopes and not set(scopes) & set(token_scopes):
            raise InsufficientScope(scopes)
        return {"jwt": {"claims": event_claims(claims), "scopes": token_scopes if scopes else None}}

    def verify(self, token: str, now: float) -> dict[str, Any]:
        """The token's claims. Nothing of its header chooses a key but `kid`. Raises InvalidToken."""
        if len(token) > TOKEN_LIMIT:
            raise InvalidToken("the token is too large")
        segments = token.split(".")
        if len(segments) != 3:
            raise InvalidToken("token contains an invalid number of segments")
        try:
            header, signature = decode_object(segments[0]), decode(segments[2])
            claims = decode_object(segments[1])
        except Unreadable:
            raise InvalidToken("the token cannot be decoded") from None
        if header.get("alg") != ALGORITHM:
            raise InvalidToken("the signing method is invalid")
        if "crit" in header:
            raise InvalidToken("the token has critical extensions that are not supported")
        key_id = header.get("kid")
        key = self.keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise InvalidToken("the token was signed with an unknown key")
        if not is_signed_by(key, f"{segments[0]}.{segments[1]}", signature):
            raise InvalidToken("the signature is invalid")
        self._check_claims(claims, now)
        return claims

    def _check_claims(self, claims: Mapping[str, Any], now: float) -> None:
        if claims.get("iss") != self.issuer:
            raise InvalidToken("the token does not have a valid issuer")
        # `client_id` counts only where there is no `aud`: Cognito's access tokens.
        named = claims["aud"] if "aud" in claims else claims.get("client_id")
        if not any(isinstance(each, str) and each in self.audience for each in _as_list(named)):
            raise InvalidToken("the token does not have a valid audience")
        if not now < _time(claims, "exp", required=True):
            raise InvalidToken("the token has expired")
        if now < _time(claims, "nbf"):
            raise InvalidToken("the token is not valid yet")
        if now < _time(claims, "iat"):
            raise InvalidToken("the token was issued in the future")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Of the header Authorization: a token alone, or after `Bearer`."""
    value = headers.get("authorization", "").strip(" ")
    scheme, space, rest = value.partition(" ")
    return (rest.strip(" ") if space and scheme.lower() == "bearer" else value) or None


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    """Of `scp` (Entra, Okta) and `scope`: lists, or words of a text."""
    scopes: dict[str, None] = {}
    for name in ("scp", "scope"):
        value = claims.get(name)
        words = value.split(" ") if isinstance(value, str) else _as_list(value)
        scopes.update(dict.fromkeys(word for word in words if isinstance(word, str) and word))
    return list(scopes)


def event_claims(claims: Mapping[str, Any]) -> dict[str, str]:
    """As they are in the function's event: texts all, lists as `[a b]`, objects as `map[a:b]`; null is left out."""
    return {name: _as_text(value) for name, value in claims.items() if value is not None}


def refusal(refused: TokenRefused) -> Response:
    """What API Gateway answers."""
    match refused:
        case InvalidToken(description):
            status, challenge = 401, f'Bearer scope="" error="invalid_token" error_description="{description}"'
        case InsufficientScope(scopes):
            description = "the token does not have a required scope"
            status = 403
            challenge = (
                f'Bearer scope="{" ".join(scopes)}" error="insufficient_scope" error_description="{description}"'
            )
        case _:
            status, challenge = 401, "Bearer"
    body = json.dumps({"message": "Forbidden" if status == 403 else "Unauthorized"}, separators=(",", ":"))
    return Response(status, body.encode(), [("content-type", "application/json"), ("www-authenticate", challenge)])


def _time(claims: Mapping[str, Any], name: str, *, required: bool = False) -> float:
    """Seconds since the epoch; where the claim may be missing and is, before all times. Raises InvalidToken."""
    value = claims.get(name)
    if value is None and not required:
        return -math.inf
    # Not a bool, which is an int; not 1e400, which json reads as an infinity; not an integer that no float holds.
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
        return value
    raise InvalidToken(f"the claim {name} is not a time")


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _as_text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "<nil>"
        case list():
            return f"[{' '.join(map(_as_text, value))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{_as_text(it)}' for name, it in sorted(value.items()))}]"
        case _:
            return str(value)
