"""Where an issuer's endpoints are (OpenID Connect Discovery 1.0)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from taskyard.login.errors import InvalidIssuer, IssuerUnreachable
from taskyard.transport.endpoint import is_loopback

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Provider:
    """An issuer and its endpoints. `device_endpoint`: None where it has no device flow."""

    issuer: str
    token_endpoint: str
    authorization_endpoint: str | None = None
    device_endpoint: str | None = None


def http_client() -> httpx.Client:
    """No redirects: a token endpoint has none, and a secret would go with them. No connection stays open, so nobody has
    to close the client: requests to an issuer are rare."""
    return httpx.Client(
        timeout=TIMEOUT_SECONDS, follow_redirects=False, limits=httpx.Limits(max_keepalive_connections=0)
    )


def discover(http: httpx.Client, issuer: str) -> Provider:
    """Raises InvalidIssuer, IssuerUnreachable."""
    _require_tls(issuer, issuer, "issuer")
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        response = http.get(url)
    except httpx.HTTPError as error:
        raise IssuerUnreachable(url, str(error) or type(error).__name__) from error
    document = json_object(response)
    if response.status_code >= 500:
        raise IssuerUnreachable(url, f"status {response.status_code}")
    if response.status_code != 200 or document is None:
        raise InvalidIssuer(issuer, f"status {response.status_code} at {url}")
    # Another issuer's document would let that one ask for this one's codes (mix-up).
    if document.get("issuer") != issuer:
        raise InvalidIssuer(issuer, f"its document is of {document.get('issuer')!r}")
    token_endpoint = _endpoint(issuer, document, "token_endpoint")
    if token_endpoint is None:
        raise InvalidIssuer(issuer, "it has no token_endpoint")
    return Provider(
        issuer,
        token_endpoint,
        _endpoint(issuer, document, "authorization_endpoint"),
        _endpoint(issuer, document, "device_authorization_endpoint"),
    )


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        document = response.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _endpoint(issuer: str, document: dict[str, Any], name: str) -> str | None:
    url = document.get(name)
    if url is None:
        return None
    if not isinstance(url, str):
        raise InvalidIssuer(issuer, f"its {name} is no URL")
    _require_tls(issuer, url, name)
    return url


def _require_tls(issuer: str, url: str, name: str) -> None:
    """https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise InvalidIssuer(issuer, f"its {name} is no URL") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise InvalidIssuer(issuer, f"its {name} is not https")
