"""Who calls, and so whose tasks they are: from the identity that API Gateway has verified, never from the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.core.errors import TaskyardError


@dataclass
class NoIdentity(TaskyardError):
    """A route without authorizer, or an authorizer that says nothing: there is no tenant to fall back to."""

    def __str__(self) -> str:
        return "the request carries no verified identity"


@dataclass
class InvokerUnknown(NoIdentity):
    """Lambda tells a function nothing of who invokes it."""

    def __str__(self) -> str:
        return "each principal is a tenant of its own here, and the producer is not told who invokes it: use the API"


@dataclass
class UnsupportedPrincipal(NoIdentity):
    """Not a principal that IAM alone names."""

    arn: str

    def __str__(self) -> str:
        return f"each IAM user and each role is a tenant here, and {self.arn[:300]} is neither: call in a role"


PRINCIPAL_ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:(?P<service>iam|sts)::(?P<account>[0-9]{12}):(?P<kind>[a-z-]+)(?:/(?P<name>.+))?"
)


@dataclass(frozen=True)
class Principal:
    """`name`: who it was, for the record of what a person did."""

    tenant: str
    name: str = ""


def principal_of_request(request_context: Mapping[str, Any], *, tenant_from: str) -> Principal:
    """`request_context`: of the event. `tenant_from`: `account` or `principal` (infra/config.py).

    A verified identity of another kind is another branch here. Raises NoIdentity.
    """
    authorizer = request_context.get("authorizer") or {}
    if iam := authorizer.get("iam"):
        return Principal(tenant_of_iam(iam, tenant_from), str(iam.get("userArn") or iam.get("accountId"))[:200])
    raise NoIdentity()


def principal_of_invocation(function_arn: str, *, tenant_from: str) -> Principal:
    """Of a direct invocation: IAM has let it in, so it is of the function's own account. Raises InvokerUnknown."""
    if tenant_from == "principal":
        raise InvokerUnknown()
    return Principal(function_arn.split(":")[4], function_arn)


def tenant_of_iam(iam: Mapping[str, Any], tenant_from: str) -> str:
    account, arn = iam.get("accountId"), iam.get("userArn")
    if not account or (tenant_from == "principal" and not arn):
        raise NoIdentity()
    return f"{account}/{principal_name(str(arn), str(account))}" if tenant_from == "principal" else str(account)


def principal_name(arn: str, account: str) -> str:
    """`user/NAME`, `role/NAME` or `root`: what IAM keeps unique within the account, the kind included.

    Paths are left out: a name is unique without, and an assumed role's ARN has none. So is a session's name, which
    whoever assumes the role chooses. Raises UnsupportedPrincipal for every other kind: the name of a federated user is
    chosen by whoever asks for its credentials.
    """
    found = PRINCIPAL_ARN.fullmatch(arn)
    if found is None or found["account"] != account:
        raise UnsupportedPrincipal(arn)
    match found["service"], found["kind"], (found["name"] or "").split("/"):
        case "iam", "root", [""]:
            return "root"
        case "iam", "user" | "role" as kind, [*_, name] if name:
            return f"{kind}/{name}"
        case "sts", "assumed-role", [role, session] if role and session:
            return f"role/{role}"
    raise UnsupportedPrincipal(arn)
