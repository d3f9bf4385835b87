"""Requests to a token endpoint (RFC 6749)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from taskyard.login.discovery import Provider, json_object
from taskyard.login.errors import GrantRefused, IssuerUnreachable

Now = Callable[[], float]
"""Seconds since the epoch."""

DEFAULT_LIFETIME_SECONDS = 300.0
"""Of a token whose issuer says nothing of its lifetime."""
RENEWAL_MARGIN_SECONDS = 60.0
"""So long before its end a token is renewed, or in the last quarter of its life where that is shorter."""


@dataclass(frozen=True)
class TokenSet:
    """`expires_at`, `renew_at`: seconds since the epoch, by this machine's clock."""

    access_token: str = field(repr=False)
    expires_at: float
    renew_at: float
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)


def request_tokens(
    http: httpx.Client,
    provider: Provider,
    form: Mapping[str, str],
    *,
    now: Now,
    basic: tuple[str, str] | None = None,
) -> TokenSet:
    """`basic`: client id and secret, encoded as section 2.3.1 says. Raises GrantRefused, IssuerUnreachable."""
    document = post_form(http, provider.token_endpoint, form, basic=basic)
    access_token, token_type = document.get("access_token"), document.get("token_type")
    if not isinstance(access_token, str) or not access_token:
        raise IssuerUnreachable(provider.token_endpoint, "the answer holds no access_token")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise IssuerUnreachable(provider.token_endpoint, "the token is not a bearer token")
    lifetime = _seconds(document.get("expires_in"), DEFAULT_LIFETIME_SECONDS)
    received_at = now()
    return TokenSet(
        access_token,
        expires_at=received_at + lifetime,
        renew_at=received_at + lifetime - min(RENEWAL_MARGIN_SECONDS, lifetime / 4),
        refresh_token=_text(document.get("refresh_token")),
        id_token=_text(document.get("id_token")),
    )


def refresh(http: httpx.Client, provider: Provider, client_id: str, refresh_token: str, *, now: Now) -> TokenSet:
    """A new token set. It holds the refresh token to use next: the issuer's new one, or the same where it sends none.
    Raises GrantRefused, IssuerUnreachable."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": client_id}
    tokens = request_tokens(http, provider, form, now=now)
    if tokens.refresh_token is not None:
        return tokens
    return TokenSet(tokens.access_token, tokens.expires_at, tokens.renew_at, refresh_token, tokens.id_token)


def post_form(
    http: httpx.Client, url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The answer's JSON object. Raises GrantRefused, IssuerUnreachable."""
    auth = httpx.BasicAuth(*basic) if basic else httpx.USE_CLIENT_DEFAULT
    try:
        response = http.post(url, data=dict(form), headers={"accept": "application/json"}, auth=auth)
    except httpx.HTTPError as error:
        raise IssuerUnreachable(url, str(error) or type(error).__name__) from error
    document = json_object(response)
    if 400 <= response.status_code < 500 and response.status_code != 429 and document and "error" in document:
        raise GrantRefused(str(document["error"])[:100], str(document.get("error_description") or ""))
    if response.status_code != 200 or document is None:
        raise IssuerUnreachable(url, f"status {response.status_code}")
    return document


def _seconds(value: Any, default: float) -> float:
    """Some issuers send a number as text."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return default
    return seconds if 0 < seconds < 1e9 else default


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
