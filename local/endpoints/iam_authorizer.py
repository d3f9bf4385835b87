"""AWS_IAM authorization of an HTTP API: whose signature a request carries, and whether that principal may call."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from local.aws.principals import Principal, Principals, Signature
from local.http_server import Request
from local.template.intrinsics import ACCOUNT, REGION
from local.template.roles import Permission, PermissionDenied

NAMED_KEY_PREFIX = "local-"
NAMED_KEY_SECRET = "local"  # noqa: S105 - anybody may have it


class IamAuthorizer:
    """Refuses what API Gateway refuses, apart from the date of a signature: the clock may be virtual."""

    def __init__(self, principals: Principals, report: Callable[[str], None]) -> None:
        self._principals = principals
        self._report = report

    def authorize(self, request: Request, *, api: str, path: str) -> Principal | None:
        """The principal that signed the request. None when there is no valid signature, or when the policies of the
        principal do not allow the request. `api`: the id of the API."""
        signature = Signature.from_request(request)
        if signature is None or signature.service != "execute-api":
            return None
        caller = self._principals.get(signature.access_key) or named_principal(signature.access_key)
        if caller is None or not signature.is_valid(caller.secret, request):
            return None
        resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/$default/{request.method}{path}"
        try:
            caller.require([Permission("execute-api:Invoke", resource)])
        except PermissionDenied as denied:
            self._report(denied.message(caller.arn))
            return None
        return caller


def named_principal(access_key: str) -> Principal | None:
    """The principal of the access key `local-<name>`: each name is an administrator of an account of its own."""
    match = re.fullmatch(re.escape(NAMED_KEY_PREFIX) + r"([\w-]{1,50})", access_key)
    if match is None:
        return None
    account = int(hashlib.sha256(match[1].encode()).hexdigest(), 16) % 10**12
    arn = f"arn:aws:sts::{account:012}:assumed-role/{match[1]}/local"
    return Principal(match[1], arn, None, access_key, NAMED_KEY_SECRET)
