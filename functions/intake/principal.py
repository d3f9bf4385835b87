"""The principal of a request and its tenant: from the identity that API Gateway or IAM verified, never from the
body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import TaskyardError


@dataclass
class NoIdentity(TaskyardError):
    """The route has no authorizer, or its authorizer returned no identity. There is no default tenant."""

    def __str__(self) -> str:
        return "the request carries no verified identity"


@dataclass
class InvokerUnknown(NoIdentity):
    """Each principal is a tenant, and Lambda does not name the principal that invokes a function."""

    def __str__(self) -> str:
        return "each principal is a tenant of its own here, and the producer is not told who invokes it: use the API"


@dataclass
class UnsupportedPrincipal(NoIdentity):
    """The principal is neither a user, a role nor root."""

    arn: str

    def __str__(self) -> str:
        return f"each IAM user and each role is a tenant here, and {self.arn[:300]} is neither: call in a role"


PRINCIPAL_ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:(?P<service>iam|sts)::(?P<account>[0-9]{12}):(?P<kind>[a-z-]+)(?:/(?P<name>.+))?"
)


@dataclass(frozen=True)
class Principal:
    """`name`: stored with what the principal does by hand, such as a redrive."""

    tenant: str
    name: str = ""


def principal_of_request(request_context: Mapping[str, Any], *, tenant_from: str) -> Principal:
    """`request_context`: of the event. `tenant_from`: `account` or `principal` (infra/config.py).

    Raises NoIdentity.
    """
    authorizer = request_context.get("authorizer") or {}
    if iam := authorizer.get("iam"):
        return Principal(tenant_of_iam(iam, tenant_from), str(iam.get("userArn") or iam.get("accountId"))[:200])
    raise NoIdentity()


def principal_of_invocation(function_arn: str, *, tenant_from: str) -> Principal:
    """Of a direct invocation, which IAM allows from the function's own account only. Raises InvokerUnknown."""
    if tenant_from == "principal":
        raise InvokerUnknown()
    return Principal(function_arn.split(":")[4], function_arn)


def tenant_of_iam(iam: Mapping[str, Any], tenant_from: str) -> str:
    account, arn = iam.get("accountId"), iam.get("userArn")
    if not account or (tenant_from == "principal" and not arn):
        raise NoIdentity()
    return f"{account}/{principal_name(str(arn), str(account))}" if tenant_from == "principal" else str(account)


def principal_name(arn: str, account: str) -> str:
    """`user/NAME`, `role/NAME` or `root`: unique within the account.

    Paths are left out: a name is unique without its path, and the ARN of an assumed role has none. Session names are
    left out, because the caller that assumes a role chooses them. Raises UnsupportedPrincipal for every other kind: the
    caller that requests the credentials of a federated user chooses its name.
    """
    match_ = PRINCIPAL_ARN.fullmatch(arn)
    if match_ is None or match_["account"] != account:
        raise UnsupportedPrincipal(arn)
    match match_["service"], match_["kind"], (match_["name"] or "").split("/"):
        case "iam", "root", [""]:
            return "root"
        case "iam", "user" | "role" as kind, [*_, name] if name:
            return f"{kind}/{name}"
        case "sts", "assumed-role", [role, session] if role and session:
            return f"role/{role}"
    raise UnsupportedPrincipal(arn)
