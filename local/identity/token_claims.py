"""The claims of a token for a role and a tenant, as the rules of a deployment read them.

The rules are the entry `jwt` of the variable AUTH of its functions, for any issuer's shape of tokens: roles in `scope`,
in a list, or in an object (`realm_access.roles`), the tenant in a claim, a group or the client's id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ROLES = ("viewer", "submitter", "admin", "operator")
TENANT = re.compile(r"\S{1,256}")
"""Whether it is a tenant's name is for the functions to say."""
_TEXT_CLAIMS = ("scope", "scp")
_SCOPE_PREFIX = "taskyard/"


class NoSuchClaims(ValueError):
    """The rules read no such role or tenant from any token."""


def claims_for(
    rules: Mapping[str, Any],
    *,
    roles: Sequence[str],
    tenant: str | None,
    audience: str,
    route_scopes: Iterable[Sequence[str]] = (),
) -> dict[str, Any]:
    """`tenant`: None for none. `audience`: what the authorizer compares with. `route_scopes`: of each route, of which a
    token needs one. Raises NoSuchClaims."""
    words: dict[str, list[str]] = {}
    claims: dict[str, Any] = {"client_id": audience, "sub": f"local-{'-'.join(roles) or 'nobody'}"}
    if uses := rules.get("tokenUses", ["access"]):
        claims["token_use"] = uses[0]
    role_paths = rules.get("rolesClaims", ["scope"])
    prefix = _prefix(rules, role_paths[0])
    words[role_paths[0]] = [prefix + role for role in roles]
    if tenant is not None:
        claims |= _tenant_claims(rules, tenant, words, role_paths, audience)
    _add_route_scopes(words, route_scopes)
    for path, each in words.items():
        if each:
            _set(claims, path, " ".join(each) if path in _TEXT_CLAIMS else each)
    return claims


def _prefix(rules: Mapping[str, Any], path: str) -> str:
    """In scopes, where words of other applications stand too, one that says whose role it is."""
    prefixes = rules.get("rolePrefixes", ["", _SCOPE_PREFIX])
    if path in _TEXT_CLAIMS:
        return next((each for each in prefixes if each == _SCOPE_PREFIX), str(prefixes[0]))
    return "" if "" in prefixes else str(prefixes[0])


def _tenant_claims(
    rules: Mapping[str, Any], tenant: str, words: dict[str, list[str]], role_paths: Sequence[str], audience: str
) -> dict[str, Any]:
    """Claims of the tenant; a group goes into `words`."""
    if path := rules.get("tenantClaim"):
        claims: dict[str, Any] = {}
        _set(claims, path, tenant)
        return claims
    if prefix := rules.get("tenantGroupPrefix"):
        lists = [each for each in role_paths if each not in _TEXT_CLAIMS]
        path = rules.get("groupsClaim") or next(iter(lists), role_paths[0])
        words.setdefault(path, []).append(prefix + tenant)
        return {}
    clients = {each["tenant"]: each["client"] for each in rules.get("clientTenants", [])}
    if tenant not in clients and not rules.get("clientIsTenant"):
        known = ", ".join(sorted(clients)) or "none"
        raise NoSuchClaims(f"no client has the tenant {tenant!r}: known are {known}")
    # A token that a client got for itself. The authorizer compares `aud` where there is one.
    client = clients.get(tenant, tenant)
    return {"client_id": client, "sub": client, "aud": audience}


def _add_route_scopes(words: dict[str, list[str]], route_scopes: Iterable[Sequence[str]]) -> None:
    """One scope of each route, but never one that is a role: that would be more than was asked for."""
    scopes = words.get("scope", [])
    for alternatives in {tuple(each) for each in route_scopes if each}:
        if not set(alternatives) & set(scopes):
            plain = [each for each in alternatives if not each.endswith(ROLES)]
            scopes += plain[:1]
    if scopes:
        words["scope"] = scopes


def _set(claims: dict[str, Any], path: str, value: Any) -> None:
    """A name with a slash or a colon, such as a URL, is one claim; dots in other names lead into objects."""
    names = [path] if re.search("[/:]", path) else path.split(".")
    for name in names[:-1]:
        claims = claims.setdefault(name, {})
    claims[names[-1]] = value
