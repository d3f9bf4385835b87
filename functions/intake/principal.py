"""The principal of a request: from the identity that API Gateway or IAM verified, never from the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.core.errors import TaskyardError
from functions.core.identity.principal import Principal, display_name
from functions.core.roles import Role

if TYPE_CHECKING:
    from functions.core.identity.rules import AuthRules, IamRules


@dataclass
class NoIdentity(TaskyardError):
    """The route has no authorizer, its authorizer returned no identity, or the deployment has no rules for an identity
    of that kind. There is no default tenant."""

    def __str__(self) -> str:
        return "the request carries no verified identity"


@dataclass
class InvokerUnknown(NoIdentity):
    """The rules need the principal, and Lambda does not name the principal that invokes a function."""

    def __str__(self) -> str:
        return "tenant and role depend on the principal here, and the producer is not told who invokes it: use the API"


PRINCIPAL_ARN = re.compile(
    r"arn:(?P<partition>aws(?:-[a-z]+)*):(?P<service>iam|sts)::(?P<account>[0-9]{12}):(?P<kind>[a-z-]+)"
    r"(?:/(?P<name>.+))?"
)


def principal_of_request(request_context: Mapping[str, Any], rules: AuthRules) -> Principal:
    """`request_context`: of the event. Raises NoIdentity, and the errors of functions.core.identity."""
    authorizer = request_context.get("authorizer") or {}
    # The rules for one kind of identity are imported by the first request that has it.
    if rules.jwt is not None and (claims := (authorizer.get("jwt") or {}).get("claims")):
        from functions.core.identity.claims import principal_of_claims

        return principal_of_claims(claims, rules.jwt)
    if rules.iam is not None and (iam := authorizer.get("iam")):
        return principal_of_iam_context(iam, rules.iam)
    raise NoIdentity()


def principal_of_iam_context(iam: Mapping[str, Any], rules: IamRules) -> Principal:
    """`iam`: `requestContext.authorizer.iam`. Raises NoIdentity, NoRole, NoTenant."""
    from functions.core.identity.iam import principal_of_iam

    if not (account := iam.get("accountId")):
        raise NoIdentity()
    arn = str(iam.get("userArn") or "")
    partition, principal = principal_name(arn, str(account))
    return principal_of_iam(partition=partition, account=str(account), principal=principal, caller_arn=arn, rules=rules)


def principal_of_invocation(function_arn: str, rules: AuthRules) -> Principal:
    """Of a direct invocation, which IAM allows from the function's own account only: a submitter of the account's
    tenant, under the name of the function. Raises InvokerUnknown where tenant or role depend on the principal."""
    if rules.iam is None or rules.iam.roles or rules.iam.tenant_from != "account":
        raise InvokerUnknown()
    return Principal(function_arn.split(":")[4], display_name(function_arn), frozenset({Role.SUBMITTER}))


def principal_name(arn: str, account: str) -> tuple[str, str | None]:
    """The partition, and `user/NAME`, `role/NAME` or `root`, which is unique within the account.

    Paths are left out: a name is unique without its path, and the ARN of an assumed role has none. Session names are
    left out, because the caller that assumes a role chooses them. None for every other kind: the caller that requests
    the credentials of a federated user chooses its name.
    """
    match_ = PRINCIPAL_ARN.fullmatch(arn)
    if match_ is None or match_["account"] != account:
        return "", None
    partition = match_["partition"]
    match match_["service"], match_["kind"], (match_["name"] or "").split("/"):
        case "iam", "root", [""]:
            return partition, "root"
        case "iam", "user" | "role" as kind, [*_, name] if name:
            return partition, f"{kind}/{name}"
        case "sts", "assumed-role", [role, session] if role and session:
            return partition, f"role/{role}"
    return partition, None
