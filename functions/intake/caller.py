"""Who calls, and so whose tasks they are: from the identity that API Gateway has verified, never from the request."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Caller:
    """`name`: who it was, for the record of what a person did."""

    tenant: str
    name: str = ""


def caller(request_context: Mapping[str, Any], *, tenant_from: str) -> Caller:
    """`request_context`: of the event. `tenant_from`: `account` or `principal` (infra/config.py).

    A verified identity of another kind is another branch here. Raises NoIdentity.
    """
    authorizer = request_context.get("authorizer") or {}
    if iam := authorizer.get("iam"):
        return Caller(iam_tenant(iam, tenant_from), str(iam.get("userArn") or iam.get("accountId"))[:200])
    raise NoIdentity()


def invoker(function_arn: str, *, tenant_from: str) -> Caller:
    """Of a direct invocation: IAM has let it in, so it is of the function's own account. Raises InvokerUnknown."""
    if tenant_from == "principal":
        raise InvokerUnknown()
    return Caller(function_arn.split(":")[4], function_arn)


def iam_tenant(iam: Mapping[str, Any], tenant_from: str) -> str:
    account, arn = iam.get("accountId"), iam.get("userArn")
    if not account or (tenant_from == "principal" and not arn):
        raise NoIdentity()
    return f"{account}/{principal(str(arn))}" if tenant_from == "principal" else str(account)


def principal(arn: str) -> str:
    """Role or user name: `…:assumed-role/ROLE/session` → ROLE, `…:user/path/NAME` → NAME, `…:root` → root.

    A session name is chosen by whoever assumes the role, so it tells nobody apart.
    """
    kind, *names = arn.split(":", 5)[-1].split("/")
    if not names:
        return kind
    return names[0] if kind == "assumed-role" else names[-1]
