"""Tokens that the local system makes are of the role and tenant that were asked for, under any issuer's rules."""

from __future__ import annotations

import re
from typing import Any

import pytest

from functions.core.identity.claims import principal_of_claims
from functions.core.identity.rules import parse_jwt_rules
from functions.core.roles import Role
from local.identity.issuer import Issuer
from local.identity.minting import InvalidTokenRequest, TokenMinter
from local.identity.token_claims import ROLES
from local.identity.tokens import InsufficientScope, JwtAuthorizer

NOW = 1_800_000_000.0
URL = "http://127.0.0.1:4990/_local/issuer"
ISSUER = Issuer(URL, now=lambda: NOW)
AUTHORIZER = JwtAuthorizer(URL, (ISSUER.client,), {ISSUER.key.id: ISSUER.key.public})
RULES: dict[str, dict[str, Any]] = {
    "cognito": {
        "rolesClaims": ["scope", "cognito:groups"],
        "tenantGroupPrefix": "tenant:",
        "clientIsTenant": True,
        "clientTenants": [{"client": "abc", "tenant": "billing"}],
    },
    "cognito-attribute": {"rolesClaims": ["cognito:groups"], "tenantClaim": "custom:tenant"},
    "auth0-permissions": {"rolesClaims": ["permissions"], "tenantClaim": "https://acme.example/tenant"},
    "auth0-namespaced": {"rolesClaims": ["https://acme.example/roles"], "tenantClaim": "org_id"},
    "entra": {"rolesClaims": ["roles"], "tenantClaim": "tid"},
    "entra-groups": {"rolesClaims": ["roles"], "groupsClaim": "groups", "tenantGroupPrefix": "team-"},
    "okta": {"rolesClaims": ["scp"], "groupsClaim": "groups", "tenantGroupPrefix": "tenant-"},
    "keycloak-realm": {"rolesClaims": ["realm_access.roles"], "tenantClaim": "tenant"},
    "keycloak-client": {"rolesClaims": ["resource_access.taskyard.roles"], "tenantGroupPrefix": "tenant-"},
    "keycloak-nested-tenant": {"rolesClaims": ["realm_access.roles"], "tenantClaim": "organization.name"},
    "prefixed-roles": {"rolesClaims": ["groups"], "rolePrefixes": ["yard-"], "tenantClaim": "org"},
    "prefixed-scopes": {"rolesClaims": ["scope"], "rolePrefixes": ["yard:"], "tenantClaim": "org"},
    "groups-in-scope": {"rolesClaims": ["scope"], "tenantGroupPrefix": "tenant:"},
    "services": {"rolesClaims": ["scope"], "clientTenants": [{"client": "abc", "tenant": "acme"}]},
    "clients": {"rolesClaims": ["scope"], "clientIsTenant": True},
    "other-use": {"rolesClaims": ["scope"], "tenantClaim": "org", "tokenUses": ["id"]},
}


def minter(rules: dict[str, Any], *route_scopes: list[str]) -> TokenMinter:
    return TokenMinter(ISSUER, rules=rules, route_scopes=route_scopes, default_tenant="123456789012", now=lambda: NOW)


def authorized(token: str, *scopes: str) -> dict[str, Any]:
    """What the function gets of the token."""
    context = AUTHORIZER.authorize({"authorization": f"Bearer {token}"}, scopes=scopes, now=NOW)
    claims: dict[str, Any] = context["jwt"]["claims"]
    return claims


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("issuer", RULES)
def test_minted_token_has_the_role_and_the_tenant_asked_for(issuer: str, role: str) -> None:
    minted = minter(RULES[issuer]).mint(role, "acme")
    principal = principal_of_claims(authorized(minted.token), parse_jwt_rules(RULES[issuer]))
    assert (principal.tenant, principal.roles) == ("acme", {Role(role)})


@pytest.mark.parametrize("issuer", [name for name in RULES if name != "services"])
def test_operator_token_without_tenant_has_none(issuer: str) -> None:
    claims = authorized(minter(RULES[issuer]).mint("operator", None).token)
    assert principal_of_claims(claims, parse_jwt_rules(RULES[issuer])).tenant is None


def test_roles_are_those_of_the_functions() -> None:
    assert tuple(Role) == ROLES


@pytest.mark.parametrize("role", ROLES)
def test_route_scope_is_in_each_token(role: str) -> None:
    rules = RULES["cognito-attribute"]
    token = minter(rules, ["yard/read", "yard/write"], []).mint(role, "acme").token
    assert principal_of_claims(authorized(token, "yard/read", "yard/write"), parse_jwt_rules(rules)).roles == {role}


def test_route_scope_that_is_a_role_is_in_tokens_of_that_role_only() -> None:
    scopes = ["taskyard/admin", "taskyard/operator"]
    made = minter(RULES["cognito"], scopes)
    assert authorized(made.mint("admin", "acme").token, *scopes)
    with pytest.raises(InsufficientScope):
        authorized(made.mint("viewer", "acme").token, *scopes)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ([], "not a JSON object"),
        ({}, "role: None is none of viewer, submitter, admin, operator"),
        ({"role": "root"}, "role: 'root' is none of"),
        ({"role": ["admin"]}, "role: "),
        ({"role": "admin", "tenant": ""}, "tenant: "),
        ({"role": "admin", "tenant": "a tenant:b"}, "tenant: "),
        ({"role": "admin", "tenant": 7}, "tenant: "),
        ({"role": "admin", "ttl": 0}, "ttl: seconds"),
        ({"role": "admin", "ttl": -1}, "ttl: seconds"),
        ({"role": "admin", "ttl": True}, "ttl: seconds"),
        ({"role": "admin", "ttl": "1h"}, "ttl: seconds"),
        ({"role": "admin", "ttl": 1e400}, "ttl: seconds"),
        ({"role": "admin", "ttl": float("nan")}, "ttl: seconds"),
        ({"role": "admin", "scope": "x"}, "scope: no such field"),
    ],
    ids=str,
)
def test_wrong_token_request_is_refused_by_field(request_: Any, words: str) -> None:
    with pytest.raises(InvalidTokenRequest, match=re.escape(words)):
        minter(RULES["cognito"]).mint_for(request_)


def test_tenant_without_client_is_refused() -> None:
    with pytest.raises(InvalidTokenRequest, match="no client has the tenant 'other': known are acme"):
        minter(RULES["services"]).mint_for({"role": "viewer", "tenant": "other"})


def test_token_request_of_a_role_alone_is_for_the_default_tenant_and_twelve_hours() -> None:
    minted = minter(RULES["cognito"]).mint_for({"role": "viewer"})
    assert minted.document() == {
        "token": minted.token,
        "role": "viewer",
        "tenant": "123456789012",
        "expiresAt": "2027-01-15T20:00:00Z",
    }
