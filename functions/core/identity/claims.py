"""The claims of a verified token → a principal. Shapes of Cognito, Auth0, Entra, Okta and Keycloak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from functions.core.identity.claim_values import claim_at, words_of
from functions.core.identity.errors import InvalidTenant, NoRole, NoTenant, SeveralTenants, WrongTokenUse
from functions.core.identity.principal import TENANT_NAME, Principal, display_name
from functions.core.identity.rules import JwtRules
from functions.core.roles import Role

CLIENT_CLAIMS = ("client_id", "azp", "cid", "appid")
"""The client's id: Cognito; Auth0, Entra v2 and Keycloak; Okta; Entra v1."""
NAME_CLAIMS = ("username", "preferred_username", "cognito:username", "email")
"""What people know a person by. People may change some of these, so `sub` stands beside it."""


def principal_of_claims(claims: Mapping[str, Any], rules: JwtRules) -> Principal:
    """`claims`: `requestContext.authorizer.jwt.claims`. Raises WrongTokenUse, NoRole, NoTenant, SeveralTenants,
    InvalidTenant."""
    use = claims.get("token_use")
    if use is not None and use not in rules.token_uses:
        raise WrongTokenUse(str(use), rules.token_uses)
    words = [word for path in rules.roles_claims for word in words_of(claim_at(claims, path))]
    roles = roles_of(words, rules.role_prefixes)
    if not roles:
        raise NoRole(Role.VIEWER, ())
    try:
        tenant: str | None = tenant_of(claims, rules)
    except NoTenant:
        # An operator names the tenant in each request.
        if Role.OPERATOR not in roles:
            raise
        tenant = None
    return Principal(tenant, name_of(claims), roles)


def roles_of(words: Iterable[str], prefixes: Iterable[str]) -> frozenset[Role]:
    """The roles that `words` name behind one of `prefixes`; other words are of other applications."""
    names = {f"{prefix}{role}": role for prefix in prefixes for role in Role}
    return frozenset(names[word] for word in words if word in names)


def tenant_of(claims: Mapping[str, Any], rules: JwtRules) -> str:
    """Raises NoTenant, SeveralTenants, InvalidTenant."""
    sources = []
    client = own_client(claims)
    if client is not None and client in rules.client_tenants:
        return rules.client_tenants[client]
    if rules.tenant_claim:
        sources.append(f"the claim {rules.tenant_claim}")
        if tenants := words_of(claim_at(claims, rules.tenant_claim)):
            return _only_tenant(sources[-1], tenants)
    if prefix := rules.tenant_group_prefix:
        paths = (*rules.roles_claims, *([rules.groups_claim] if rules.groups_claim else ()))
        sources.append(f"{prefix}<name> in {' or '.join(paths)}")
        words = [word for path in paths for word in words_of(claim_at(claims, path))]
        if tenants := tuple(word.removeprefix(prefix) for word in words if word.startswith(prefix)):
            return _only_tenant(sources[-1], tenants)
    if rules.client_is_tenant:
        sources.append("the client's id, in tokens that a client got for itself")
        if client:
            return _only_tenant(sources[-1], (client,))
    raise NoTenant(sources)


def own_client(claims: Mapping[str, Any]) -> str | None:
    """The client's id in a token of the client-credentials grant; None in a token that stands for a person.

    Such a token's subject is the client: Cognito and Okta write its id, Auth0 `<id>@clients`. Entra says `idtyp: app`
    where that claim is switched on. Keycloak's do not say so in a way that a person's name could not imitate: map a
    tenant claim there.
    """
    client = client_of(claims)
    if client and (claims.get("sub") in (client, f"{client}@clients") or claims.get("idtyp") == "app"):
        return client
    return None


def client_of(claims: Mapping[str, Any]) -> str | None:
    return next((str(claims[name]) for name in CLIENT_CLAIMS if claims.get(name)), None)


def name_of(claims: Mapping[str, Any]) -> str:
    """`ann@example.com (<sub>)`, or what of it there is; a client's id for a client."""
    subject = str(claims.get("sub") or "")
    known_as = next((str(claims[name]) for name in NAME_CLAIMS if claims.get(name)), "")
    if known_as and subject and known_as != subject:
        # The subject is what tells two people apart: the other name is cut for it, never the reverse.
        subject = subject[:120]
        return display_name(f"{known_as[: 197 - len(subject)]} ({subject})")
    return display_name(subject or known_as or client_of(claims) or "unknown")


def _only_tenant(source: str, tenants: Iterable[str]) -> str:
    distinct = sorted(set(tenants))
    if len(distinct) > 1:
        raise SeveralTenants(source, distinct)
    if not TENANT_NAME.fullmatch(distinct[0]):
        raise InvalidTenant(source, distinct[0])
    return distinct[0]
