"""The IAM identity of a request → a principal. Who reads the ARN hands in its parts."""

from __future__ import annotations

from fnmatch import fnmatchcase

from functions.core.identity.errors import NoRole, NoTenant
from functions.core.identity.principal import Principal, display_name
from functions.core.identity.rules import IamRules
from functions.core.roles import Role

DEFAULT_ROLES = frozenset({Role.ADMIN})
"""Of each principal where no rule is set: whom IAM lets call the API is its tenant's admin."""


def principal_of_iam(
    *, partition: str, account: str, principal: str | None, caller_arn: str, rules: IamRules
) -> Principal:
    """`principal`: `user/NAME`, `role/NAME` or `root`, without path and session; None for one of another kind, such as
    a federated user, which no rule fits. `caller_arn`: as API Gateway says it, for the record. Raises NoRole, NoTenant.
    """
    if rules.tenant_from == "account":
        tenant: str | None = account
    else:
        tenant = f"{account}/{principal}" if principal else None
    roles = DEFAULT_ROLES
    if rules.roles:
        # Composed anew: an assumed role's own ARN holds a session's name, which whoever assumes it chooses.
        arn = ":".join(("arn", partition, "iam", "", account, principal)) if principal else None
        rule = next((rule for rule in rules.roles if arn and fnmatchcase(arn, rule.arn)), None)
        if rule is None:
            raise NoRole(Role.VIEWER, ())
        roles, tenant = rule.roles, rule.tenant or tenant
    if tenant is None:
        raise NoTenant((f"the IAM user or role, and {display_name(caller_arn or account)} is neither",))
    return Principal(tenant, display_name(caller_arn or account), roles)
