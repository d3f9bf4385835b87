"""The local system's own OpenID issuer: whoever runs the system may have a token of any role and tenant.

It stands in for the issuer that the template names. The key is made at each start, so no token outlives the system.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from local.http_server import Response
from local.identity.jose import ALGORITHM, SigningKey, compact_json

CLIENT = "taskyard-local"
"""The client id of each token, and so the audience that an authorizer has to be configured with."""
DISCOVERY_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/.well-known/jwks.json"
DEFAULT_TTL_SECONDS = 12 * 3600


class Issuer:
    """`url`: the issuer's identifier, without a slash at its end. `now`: seconds since the epoch."""

    def __init__(
        self, url: str, *, now: Callable[[], float], client: str = CLIENT, key: SigningKey | None = None
    ) -> None:
        self.url = url
        self.client = client
        self.key = key or SigningKey()
        self._now = now

    def respond(self, path: str) -> Response | None:
        """Answers a GET for the discovery document and the key set; None for another path."""
        base = urlsplit(self.url).path
        if path == base + DISCOVERY_PATH:
            return _json(self.discovery())
        if path == base + KEYS_PATH:
            return _json({"keys": [self.key.jwk]})
        return None

    def discovery(self) -> dict[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0, section 3), as far as a resource server reads it."""
        return {
            "issuer": self.url,
            "jwks_uri": self.url + KEYS_PATH,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }

    def mint(self, claims: Mapping[str, Any], *, ttl_seconds: float = DEFAULT_TTL_SECONDS) -> str:
        """A token for `ttl_seconds` from now. `claims` stand beside its own, or instead of them; None leaves one
        out."""
        now = int(self._now())
        own = {
            "iss": self.url,
            "client_id": self.client,
            "auth_time": now,
            "iat": now,
            "exp": int(now + ttl_seconds),
            "jti": str(uuid.uuid4()),
        }
        return self.key.sign({name: value for name, value in (own | dict(claims)).items() if value is not None})


def _json(document: Any) -> Response:
    return Response(200, compact_json(document), [("content-type", "application/json")])
