"""The AWS signature (SigV4) of a request to the IAM API.

botocore is imported for the first signature, so that a caller without AWS never loads it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from taskyard.errors import NoCredentials
from taskyard.extras import packages_of_extra

SERVICE = "execute-api"
_REGION = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com")


@runtime_checkable
class AwsCredentials(Protocol):
    """Credentials of botocore. Those of a role renew themselves."""

    def get_frozen_credentials(self) -> Any: ...


@runtime_checkable
class AwsSession(Protocol):
    """A session of botocore or boto3."""

    def get_credentials(self) -> Any: ...


@dataclass(frozen=True)
class KeyPair:
    """An AwsSession of one access key."""

    access_key: str
    secret: str = field(repr=False)
    region_name: str

    def get_credentials(self) -> Any:
        with packages_of_extra("iam"):
            from botocore.credentials import Credentials

        return Credentials(self.access_key, self.secret)


def region_of(url: str, environ: Mapping[str, str]) -> str | None:
    """The region in the URL of an API; with a custom domain AWS_REGION or AWS_DEFAULT_REGION."""
    match = _REGION.search(url)
    return match.group(1) if match else environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")


class IamSigner:
    """identity: credentials or a session; None is what botocore finds: environment, profile, role. One botocore session
    per signer reads the configuration once and renews credentials that expire."""

    def __init__(
        self, identity: AwsCredentials | AwsSession | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._environ = environ
        self._credentials = identity if isinstance(identity, AwsCredentials) else None
        self._session: Any = None if self._credentials is not None else identity

    def __call__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        with packages_of_extra("iam"):
            from botocore.auth import SigV4Auth
            from botocore.awsrequest import AWSRequest

        credentials, region = self._credentials_and_region(url)
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

    def _credentials_and_region(self, url: str) -> tuple[Any, str | None]:
        region = region_of(url, self._environ)
        if self._credentials is not None:
            return self._credentials, region
        if self._session is None:
            with packages_of_extra("iam"):
                from botocore.session import get_session

            self._session = get_session()
        if region is None and hasattr(self._session, "get_config_variable"):
            region = self._session.get_config_variable("region")
        # A session of boto3 has its region in an attribute.
        return self._session.get_credentials(), region or getattr(self._session, "region_name", None)
