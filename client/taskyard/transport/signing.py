"""Headers that authenticate a request: a bearer token, or an AWS signature (SigV4) for the IAM-protected API.

botocore is imported for the first signature, so that a caller without AWS never loads it.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from taskyard.errors import NoCredentials

# (method, URL as sent, headers, body) → the headers to add. Called for each attempt: a signature contains its time.
Signer = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]

SERVICE = "execute-api"
_REGION = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com")


def signer_for(auth: str | None) -> Signer:
    """auth: None (nothing is added), "iam" (SigV4 with the credentials of the environment), or a bearer token."""
    if auth is None:
        return _unsigned
    if auth == "iam":
        return IamSigner()
    bearer = {"authorization": f"Bearer {auth}"}
    return lambda method, url, headers, body: bearer


def _unsigned(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
    return {}


def region_of(url: str, environ: Mapping[str, str]) -> str | None:
    """The region in the URL of an API; with a custom domain AWS_REGION or AWS_DEFAULT_REGION."""
    match = _REGION.search(url)
    return match.group(1) if match else environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")


class IamSigner:
    """Signs with the credentials that botocore finds: environment, profile, role. One botocore session per signer reads
    the configuration once and renews credentials that expire."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._session: Any = None

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.session import get_session

        if self._session is None:
            self._session = get_session()
        region = region_of(url, self._environ) or self._session.get_config_variable("region")
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentials("no AWS credentials found: set AWS_PROFILE, or sign in (aws sso login)")
        if not region:
            raise NoCredentials(f"the URL {url} does not contain an AWS region: set AWS_REGION")
        # Only headers that proxies leave unchanged are signed: the content type; botocore adds host and date.
        signed = {name: value for name, value in headers.items() if name.lower() == "content-type"}
        request = AWSRequest(method=method, url=url, data=body, headers=signed)
        SigV4Auth(credentials.get_frozen_credentials(), SERVICE, region).add_auth(request)
        added = ("authorization", "x-amz-date", "x-amz-security-token")
        return {name.lower(): value for name, value in request.headers.items() if name.lower() in added}
