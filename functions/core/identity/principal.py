"""A caller: whose data it works on, who it is, what it may do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from functions.core.identity.errors import InvalidTenant, NoRole, NoTenant
from functions.core.roles import Role

TENANT_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a token or a header may name as a tenant. Tenants of IAM principals have a slash, so neither can name one; an
account's twelve digits can be named, so that one team may use both APIs."""
TENANT_HEADER = "X-Taskyard-Tenant"
_OPERATOR_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}|[0-9]{12}/(?:root|(?:user|role)/[\w+=.@-]{1,64})", re.ASCII)
"""What an operator may name: tenants of IAM principals too. A name with a comma cannot be told from a header that was
sent twice, which API Gateway joins with a comma."""


@dataclass(frozen=True)
class Principal:
    """`tenant`: None for an operator without a tenant of its own. `name`: for the record of who did what."""

    tenant: str | None
    name: str
    roles: frozenset[Role]

    def may(self, role: Role) -> bool:
        return any(held.includes(role) for held in self.roles)

    def require(self, role: Role) -> None:
        """Raises NoRole."""
        if not self.may(role):
            raise NoRole(role, [held for held in Role if held in self.roles])

    def acting_for(self, tenant: str | None) -> Principal:
        """The principal in the tenant that the request names, or in its own when it names none.

        Only an operator may name another than its own. Raises NoTenant, NoRole, InvalidTenant.
        """
        if tenant is None:
            if self.tenant is None:
                raise NoTenant(())
            return self
        if tenant == self.tenant:
            return self
        if not _OPERATOR_TENANT.fullmatch(tenant):
            raise InvalidTenant(TENANT_HEADER, tenant)
        self.require(Role.OPERATOR)
        return replace(self, tenant=tenant)


def display_name(text: str) -> str:
    """A name as it may stand in a record and a log line: printable, at most 200 characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:200]
