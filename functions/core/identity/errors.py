"""Why a caller with a verified identity may not do what it asks. All of them are 403, but WrongTokenUse, which is 401.

Texts name claims and roles, and of a token's values only those that a tenant's name was looked for in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.core.errors import TaskyardError
from functions.core.roles import Role


@dataclass
class NoRole(TaskyardError):
    """`required`: the least role that suffices. `held`: the roles of the principal, lowest first; empty for none."""

    required: Role
    held: Sequence[Role]

    def __str__(self) -> str:
        return f"this takes the role {self.required}; the caller has {', '.join(self.held) or 'none'}"


@dataclass
class NoTenant(TaskyardError):
    """`sources`: where a tenant was looked for, in words; empty when the caller may name one itself and did not."""

    sources: Sequence[str]

    def __str__(self) -> str:
        if not self.sources:
            return "the caller has no tenant of its own: name one in X-Taskyard-Tenant"
        return f"the identity names no tenant: it is looked for in {', '.join(self.sources)}"


@dataclass
class SeveralTenants(TaskyardError):
    """`source`: the claim that names more than one. `tenants`: sorted."""

    source: str
    tenants: Sequence[str]

    def __str__(self) -> str:
        return f"{self.source} names {len(self.tenants)} tenants ({', '.join(self.tenants)[:200]}): it must name one"


@dataclass
class InvalidTenant(TaskyardError):
    """`source`: a claim or a header. `tenant`: what it says."""

    source: str
    tenant: str

    def __str__(self) -> str:
        shown = self.tenant[:80]
        return f"{self.source} says {shown!r}: a tenant's name is 1 to 64 letters, digits, dots, dashes and underscores"


@dataclass
class WrongTokenUse(TaskyardError):
    """A token that was made for another purpose, such as an ID token. `accepted`: what `token_use` may say."""

    token_use: str
    accepted: Sequence[str]

    def __str__(self) -> str:
        return f"this is a token of use {self.token_use[:40]!r}: send one of use {' or '.join(self.accepted)}"
