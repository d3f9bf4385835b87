"""The principals of the AWS endpoint and of the HTTP API, and the check of their SigV4 signatures."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from local.http_server import Request
from local.template.roles import Permission, Role

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,\s]+)/(?P<service>[^/,\s]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,\s]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Principal:
    """Owner of an access key. `role` is None for an administrator. `label` is the caller in usage counts."""

    label: str
    arn: str
    role: Role | None
    access_key: str
    secret: str = field(repr=False)

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    def require(self, permissions: Iterable[Permission]) -> None:
        """Raise `Denied` for the first permission that is missing."""
        if self.role:
            self.role.require(permissions)

    def iam_identity(self) -> dict[str, Any]:
        """As in `requestContext.authorizer.iam`."""
        kind, *names = self.arn.split(":", 5)[-1].split("/")
        unique = hashlib.sha256(self.arn.rpartition("/")[0].encode()).hexdigest()[:16].upper()
        caller = f"AROA{unique}:{names[-1]}" if kind == "assumed-role" else f"AIDA{unique}"
        return {
            "accessKey": self.access_key,
            "accountId": self.account,
            "callerId": caller,
            "cognitoIdentity": None,
            "principalOrgId": "aws:PrincipalOrgID",
            "userArn": self.arn,
            "userId": caller,
        }


@dataclass(frozen=True)
class Signature:
    """The SigV4 signature of a request. `service`: the one that it is signed for."""

    access_key: str
    region: str
    service: str
    headers: tuple[str, ...]
    value: str

    @classmethod
    def from_request(cls, request: Request) -> Signature | None:
        match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if not match or "x-amz-date" not in request.headers:
            return None
        return cls(
            match["key"], match["region"], match["service"], tuple(match["headers"].split(";")), match["signature"]
        )

    def is_valid(self, secret: str, request: Request) -> bool:
        """Whether `secret` made this signature. Its date is not compared with the clock, which may be virtual."""
        rebuilt = AWSRequest(
            request.method, f"http://{request.headers.get('host', '')}{request.target}", data=request.body
        )
        if "x-amz-content-sha256" in request.headers:
            rebuilt.headers["X-Amz-Content-SHA256"] = request.headers["x-amz-content-sha256"]
        rebuilt.context["timestamp"] = request.headers["x-amz-date"]
        headers = HTTPHeaders.from_dict({name: request.headers.get(name, "") for name in self.headers})
        kind = S3SigV4Auth if self.service == "s3" else SigV4Auth
        signer = kind(Credentials(self.access_key, secret), self.service, self.region)
        signer.headers_to_sign = lambda _: headers
        text = signer.string_to_sign(rebuilt, signer.canonical_request(rebuilt))
        return hmac.compare_digest(signer.signature(text, rebuilt), self.value)


class Principals:
    """Principals by access key. Keys and secrets are random for each run of the system."""

    def __init__(self) -> None:
        self._by_key: dict[str, Principal] = {}

    def add(self, label: str, arn: str, role: Role | None) -> Principal:
        access_key = "LOCAL" + secrets.token_hex(8)[1:].upper()
        principal = Principal(label, arn, role, access_key, secrets.token_hex(20))
        self._by_key[access_key] = principal
        return principal

    def get(self, access_key: str) -> Principal | None:
        return self._by_key.get(access_key)
