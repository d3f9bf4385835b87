"""Who calls the local system in tests: tokens for its JWT API, signatures for its IAM API."""

from __future__ import annotations

from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.system import LocalSystem

YEARS = 20 * 365 * 86_400
"""Tokens outlast what a test moves the clock by."""


def token(system: LocalSystem, role: str = "admin", **options: Any) -> str:
    """`options`: the tenant, which is else the local account, and `ttl_seconds`."""
    minted = system.token(role, **{"ttl_seconds": YEARS, **options})
    assert minted is not None, "the template has no JWT API"
    return minted


def bearer(system: LocalSystem, role: str = "admin", **options: Any) -> dict[str, str]:
    """Headers with a token."""
    return {"authorization": f"Bearer {token(system, role, **options)}"}


def signed(
    method: str,
    url: str,
    key: str,
    secret: str,
    body: bytes = b"",
    service: str = "execute-api",
    content_type: str | None = "application/json",
) -> dict[str, str]:
    """Headers with a SigV4 signature. Without `content_type` the signature leaves that header out."""
    headers = {"content-type": content_type} if content_type else {}
    request = AWSRequest(method, url, data=body, headers=headers)
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return dict(request.headers)
