"""Tokens that a service gets for itself (RFC 6749, section 4.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote_plus

import httpx

from taskyard.login.discovery import Provider
from taskyard.login.errors import MissingClientSetting
from taskyard.login.grants import Now, TokenSet, request_tokens


@dataclass(frozen=True)
class ClientCredentials:
    """`scopes`: none for those that the issuer gives anyway. `audience`: for issuers that ask for one (Auth0)."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: Sequence[str] = ()
    audience: str | None = None


def client_credentials_of(environ: Mapping[str, str]) -> ClientCredentials | None:
    """TASKYARD_ISSUER, TASKYARD_CLIENT_ID and TASKYARD_CLIENT_SECRET, with TASKYARD_SCOPES (words) and
    TASKYARD_AUDIENCE; None without a secret, which people do not have. Raises MissingClientSetting."""
    if not (secret := environ.get("TASKYARD_CLIENT_SECRET")):
        return None
    if not (issuer := environ.get("TASKYARD_ISSUER")):
        raise MissingClientSetting("TASKYARD_ISSUER")
    if not (client_id := environ.get("TASKYARD_CLIENT_ID")):
        raise MissingClientSetting("TASKYARD_CLIENT_ID")
    return ClientCredentials(
        issuer,
        client_id,
        secret,
        tuple(environ.get("TASKYARD_SCOPES", "").split()),
        environ.get("TASKYARD_AUDIENCE") or None,
    )


def request_client_tokens(
    http: httpx.Client, provider: Provider, credentials: ClientCredentials, *, now: Now
) -> TokenSet:
    """Raises GrantRefused, IssuerUnreachable."""
    form = {"grant_type": "client_credentials"}
    if credentials.scopes:
        form["scope"] = " ".join(credentials.scopes)
    if credentials.audience:
        form["audience"] = credentials.audience
    # Section 2.3.1: both are form-encoded before they are joined by a colon.
    basic = quote_plus(credentials.client_id), quote_plus(credentials.client_secret)
    return request_tokens(http, provider, form, now=now, basic=basic)
