"""Tokens for whoever runs the local system: of any role and tenant, for as long as it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.identity.issuer import DEFAULT_TTL_SECONDS, Issuer
from local.identity.token_claims import ROLES, TENANT, NoSuchClaims, claims_for

MAX_TTL_SECONDS = 366 * 86_400


class InvalidTokenRequest(ValueError):
    """A field of the request is wrong; the message names it."""


@dataclass(frozen=True)
class MintedToken:
    """`expires_at`: seconds since the epoch. `tenant`: None for none."""

    token: str
    role: str
    tenant: str | None
    expires_at: float

    def document(self) -> dict[str, Any]:
        expires = datetime.fromtimestamp(self.expires_at, UTC).isoformat().replace("+00:00", "Z")
        return {"token": self.token, "role": self.role, "tenant": self.tenant, "expiresAt": expires}


class TokenMinter:
    """`rules`: the entry `jwt` of AUTH. `route_scopes`: of each route. `default_tenant`: of a request without one."""

    def __init__(
        self,
        issuer: Issuer,
        *,
        rules: Mapping[str, Any],
        route_scopes: Sequence[Sequence[str]],
        default_tenant: str,
        now: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._rules = rules
        self._route_scopes = route_scopes
        self._default_tenant = default_tenant
        self._now = now

    def mint(self, role: str, tenant: str | None, ttl_seconds: float = DEFAULT_TTL_SECONDS) -> MintedToken:
        """Raises InvalidTokenRequest."""
        try:
            claims = claims_for(
                self._rules,
                roles=[role],
                tenant=tenant,
                audience=self._issuer.client,
                route_scopes=self._route_scopes,
            )
        except NoSuchClaims as error:
            raise InvalidTokenRequest(f"tenant: {error}") from None
        expires_at = int(self._now()) + int(ttl_seconds)
        return MintedToken(self._issuer.mint(claims, ttl_seconds=int(ttl_seconds)), role, tenant, expires_at)

    def mint_for(self, request: Any) -> MintedToken:
        """`request`: `{"role": "viewer", "tenant": "acme", "ttl": 3600}`, of which the role is needed. `ttl`: seconds.
        A `tenant` of null is for an operator, who names one in each request. Raises InvalidTokenRequest."""
        if not isinstance(request, dict):
            raise InvalidTokenRequest("the body is not a JSON object")
        if unknown := sorted(request.keys() - {"role", "tenant", "ttl"}):
            raise InvalidTokenRequest(f"{unknown[0]}: no such field; known are role, tenant, ttl")
        role = request.get("role")
        if role not in ROLES:
            raise InvalidTokenRequest(f"role: {role!r} is none of {', '.join(ROLES)}")
        tenant = request.get("tenant", self._default_tenant)
        if tenant is not None and not (isinstance(tenant, str) and TENANT.fullmatch(tenant)):
            raise InvalidTokenRequest("tenant: a name without spaces, or null for none")
        ttl = request.get("ttl", DEFAULT_TTL_SECONDS)
        if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 1 <= ttl <= MAX_TTL_SECONDS:
            raise InvalidTokenRequest(f"ttl: seconds, 1 to {MAX_TTL_SECONDS}")
        return self.mint(role, tenant, ttl)
