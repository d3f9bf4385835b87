"""IAM identities → principal by rules, and the rules out of a function's environment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.core.identity.errors import NoRole, NoTenant
from functions.core.identity.iam import principal_of_iam
from functions.core.identity.principal import Principal
from functions.core.identity.rules import JwtRules, RoleRule, parse_auth_rules, parse_iam_rules, parse_jwt_rules
from functions.core.roles import Role

ACCOUNT = "111122223333"
RULES = {
    "roles": [
        {"arn": f"arn:aws:iam::{ACCOUNT}:role/ops", "roles": ["operator"], "tenant": "platform"},
        {"arn": "arn:aws:iam::*:role/ci-*", "roles": ["submitter"]},
        {"arn": "arn:*:iam::*:user/?nn", "roles": ["viewer", "admin"]},
        {"arn": "arn:aws:iam::*:role/ci-late", "roles": ["operator"]},
    ]
}


def decide(document: dict[str, Any], principal: str | None, partition: str = "aws") -> Principal:
    arn = f"arn:{partition}:sts::{ACCOUNT}:assumed-role/x/session"
    rules = parse_iam_rules(document)
    return principal_of_iam(partition=partition, account=ACCOUNT, principal=principal, caller_arn=arn, rules=rules)


@pytest.mark.parametrize(
    ("document", "principal", "tenant", "roles"),
    [
        ({}, "role/orders", ACCOUNT, {"admin"}),
        ({}, None, ACCOUNT, {"admin"}),
        ({"tenantFrom": "principal"}, "role/orders", f"{ACCOUNT}/role/orders", {"admin"}),
        ({"tenantFrom": "principal"}, "root", f"{ACCOUNT}/root", {"admin"}),
        (RULES, "role/ops", "platform", {"operator"}),
        (RULES, "role/ci-main", ACCOUNT, {"submitter"}),
        (RULES | {"tenantFrom": "principal"}, "role/ci-main", f"{ACCOUNT}/role/ci-main", {"submitter"}),
        (RULES | {"tenantFrom": "principal"}, "role/ops", "platform", {"operator"}),
        (RULES, "user/ann", ACCOUNT, {"viewer", "admin"}),
        # The first that fits decides.
        (RULES, "role/ci-late", ACCOUNT, {"submitter"}),
    ],
)
def test_iam_identity_gets_tenant_and_roles_of_the_first_rule_that_fits(
    document: dict[str, Any], principal: str | None, tenant: str, roles: set[str]
) -> None:
    decision = decide(document, principal)
    assert (decision.tenant, set(decision.roles)) == (tenant, roles)


@pytest.mark.parametrize("principal", ["role/opsx", "role/OPS", "role/xops", "user/ops", "user/hannn", "root", None])
def test_identity_that_no_rule_fits_has_no_role(principal: str | None) -> None:
    with pytest.raises(NoRole) as error:
        decide(RULES, principal)
    assert error.value.required is Role.VIEWER


def test_rule_of_another_partition_does_not_fit() -> None:
    with pytest.raises(NoRole):
        decide(RULES, "role/ops", "aws-cn")


def test_identity_without_a_principal_has_no_tenant_of_its_own() -> None:
    with pytest.raises(NoTenant):
        decide({"tenantFrom": "principal"}, None)


def test_name_for_the_record_is_the_callers_arn() -> None:
    assert decide({}, "role/x").name == f"arn:aws:sts::{ACCOUNT}:assumed-role/x/session"


def test_rules_of_both_apis_are_read() -> None:
    rules = parse_auth_rules(
        json.dumps(
            {
                "iam": {"roles": [{"arn": "*", "tenant": "acme", "roles": ["viewer"]}]},
                "jwt": {
                    "rolesClaims": ["realm_access.roles"],
                    "rolePrefixes": [""],
                    "tenantClaim": "org",
                    "groupsClaim": "groups",
                    "tenantGroupPrefix": "t-",
                    "clientIsTenant": True,
                    "clientTenants": [{"client": "c", "tenant": "acme"}],
                    "tokenUses": ["id"],
                },
            }
        )
    )
    assert rules.iam is not None
    assert rules.iam.roles == (RoleRule("*", "acme", frozenset({Role.VIEWER})),)
    assert rules.jwt == JwtRules(("realm_access.roles",), ("",), "org", "groups", "t-", True, {"c": "acme"}, ("id",))


def test_rules_that_are_left_out_have_defaults() -> None:
    assert parse_jwt_rules({"tenantClaim": "org"}) == JwtRules(tenant_claim="org")
    assert parse_auth_rules('{"iam": {}}').jwt is None


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[]", "AUTH: not an object"),
        ("{}", "neither iam nor jwt"),
        ('{"jwt": []}', "AUTH.jwt"),
        ('{"iam": {}, "saml": {}}', "AUTH.saml"),
        ('{"iam": {"tenantFrom": "role"}}', "iam.tenantFrom"),
        ('{"iam": {"tenant": "x"}}', "iam.tenant"),
        ('{"iam": {"roles": {}}}', "iam.roles"),
        ('{"iam": {"roles": ["x"]}}', "iam.roles[0]"),
        ('{"iam": {"roles": [{"roles": ["viewer"]}]}}', "iam.roles[0].arn"),
        ('{"iam": {"roles": [{"arn": "*", "roles": []}]}}', "iam.roles[0].roles"),
        ('{"iam": {"roles": [{"arn": "*"}]}}', "iam.roles[0].roles"),
        ('{"iam": {"roles": [{"arn": "*", "roles": ["root"]}]}}', "iam.roles[0].roles"),
        ('{"iam": {"roles": [{"arn": "*", "roles": ["viewer"], "tenant": "a/b"}]}}', "iam.roles[0].tenant"),
        ('{"jwt": {}}', "jwt: one of tenantClaim"),
        ('{"jwt": {"tenantClaim": ""}}', "jwt.tenantClaim"),
        ('{"jwt": {"tenantClaim": 7}}', "jwt.tenantClaim"),
        ('{"jwt": {"tenantClaim": "t", "rolesClaims": "scope"}}', "jwt.rolesClaims"),
        ('{"jwt": {"tenantClaim": "t", "rolesClaims": []}}', "jwt.rolesClaims"),
        ('{"jwt": {"clientIsTenant": "yes"}}', "jwt.clientIsTenant"),
        ('{"jwt": {"clientTenants": {}}}', "jwt.clientTenants"),
        ('{"jwt": {"clientTenants": [{"tenant": "t"}]}}', "jwt.clientTenants[0].client"),
        ('{"jwt": {"clientTenants": [{"client": "c"}]}}', "jwt.clientTenants[0].tenant"),
        ('{"jwt": {"clientTenants": [{"client": "c", "tenant": "a/b"}]}}', "jwt.clientTenants[0].tenant"),
        ('{"jwt": {"tenantClaim": "t", "roleClaims": ["scope"]}}', "jwt.roleClaims"),
        ("{", ""),
    ],
)
def test_mistake_in_the_rules_names_the_field(text: str, field: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_auth_rules(text)
    assert field in str(error.value)
