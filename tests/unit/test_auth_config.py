"""Who may call, in infra/config.py: what is refused before a deployment, and what the functions read of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from app import CONFIGS
from functions.core.identity.rules import IamRules, JwtRules, parse_auth_rules
from functions.core.identity.rules import RoleRule as ParsedRule
from functions.core.roles import Role
from infra.auth import (
    AUTH_LIMIT,
    ROLES,
    Auth,
    ClientTenant,
    Cognito,
    Iam,
    Jwt,
    RoleRule,
    ServiceClient,
    auth_faults,
    auth_rules,
)
from infra.config import config_faults

ISSUER = "https://acme.eu.auth0.com/"
JWT = Jwt(issuer=ISSUER, audience=("taskyard",), tenant_claim="https://acme.com/tenant")
ROLE = "arn:aws:iam::111122223333:role/orders-*"


def iam(**rule: Any) -> Iam:
    return Iam(roles=(RoleRule(**({"arn": ROLE, "roles": ("viewer",)} | rule)),))


def service(**fields: Any) -> Cognito:
    return Cognito(service_clients=(ServiceClient(**({"name": "orders", "roles": ("viewer",)} | fields)),))


@pytest.mark.parametrize("environment", CONFIGS)
def test_auth_of_each_environment_has_no_faults(environment: str) -> None:
    assert not list(config_faults(CONFIGS[environment]))


@pytest.mark.parametrize(
    "auth",
    [
        (Iam(),),
        (JWT,),
        (Cognito(),),
        (Cognito(), Iam(tenant_from="principal")),
        (iam(arn="arn:aws:iam::*:role/orders"), JWT),
        (iam(arn="*", roles=("viewer", "operator"), tenant="shared"),),
        (replace(JWT, scopes=("taskyard/viewer", "https://acme.com/x")),),
        (service(name="order-service", tenant="orders", roles=("submitter",)),),
    ],
)
def test_auth_that_can_be_deployed_has_no_faults(auth: tuple[Auth, ...]) -> None:
    assert not list(auth_faults(auth))
    parse_auth_rules(json.dumps(auth_rules(auth)))


@pytest.mark.parametrize(
    ("auth", "fault"),
    [
        ((), "auth: at least one"),
        ((Iam(), Iam()), "auth: at most one Iam"),
        ((JWT, JWT), "auth: at most one of Jwt and Cognito"),
        ((JWT, Cognito()), "auth: at most one of Jwt and Cognito"),
        (("iam",), "auth[0]: an Iam, a Jwt or a Cognito"),
        ((Iam(tenant_from="user"),), "auth[0].tenant_from: "),  # type: ignore[arg-type]
        ((Cognito(), iam(arn="orders")), "auth[1].roles[0].arn: 'orders' is no pattern"),
        ((iam(arn=""),), "auth[0].roles[0].arn: "),
        ((iam(arn="arn:aws:iam::111122223333:role/team/orders"),), "auth[0].roles[0].arn: "),
        ((iam(arn="arn:aws:sts::111122223333:assumed-role/orders/*"),), "auth[0].roles[0].arn: "),
        ((iam(roles=()),), "auth[0].roles[0].roles: "),
        ((iam(roles=("root",)),), "auth[0].roles[0].roles: "),
        ((iam(roles="viewer"),), "auth[0].roles[0].roles: "),
        ((iam(tenant="a/b"),), "auth[0].roles[0].tenant: "),
        ((replace(JWT, issuer="http://acme.com"),), "auth[0].issuer: "),
        ((replace(JWT, issuer="acme.com"),), "auth[0].issuer: "),
        ((replace(JWT, issuer="https://acme.com/?a=b"),), "auth[0].issuer: "),
        ((replace(JWT, audience=()),), "auth[0].audience: "),
        ((replace(JWT, audience="taskyard"),), "auth[0].audience: "),  # type: ignore[arg-type]
        ((replace(JWT, roles_claims=()),), "auth[0].roles_claims: "),
        ((replace(JWT, scopes=("two words",)),), "auth[0].scopes[0]: "),
        ((replace(JWT, groups_claim="groups"),), "auth[0].groups_claim: "),
        ((replace(JWT, tenant_claim=None),), "auth[0].tenant_claim: "),
        ((replace(JWT, client_tenants=(ClientTenant(client="", tenant="a"),)),), "auth[0].client_tenants[0].client: "),
        ((replace(JWT, client_tenants=(ClientTenant(client="a", tenant=""),)),), "auth[0].client_tenants[0].tenant: "),
        ((service(name="Orders"),), "auth[0].service_clients[0].name: "),
        ((service(name="people"),), "auth[0].service_clients[0].name: "),
        ((service(roles=()),), "auth[0].service_clients[0].roles: "),
        ((service(roles=("taskyard/viewer",)),), "auth[0].service_clients[0].roles: "),
        ((service(tenant="a b"),), "auth[0].service_clients[0].tenant: "),
        (
            (Cognito(service_clients=(ServiceClient(name="a", roles=("viewer",)),) * 2),),
            "auth[0].service_clients: 2 have the name 'a'",
        ),
        ((Cognito(login_domain_prefix="Acme"),), "auth[0].login_domain_prefix: "),
        ((Cognito(login_domain_prefix="my-aws-yard"),), "auth[0].login_domain_prefix: "),
        ((Cognito(callback_ports=()),), "auth[0].callback_ports: "),
        ((Cognito(callback_ports=(0,)),), "auth[0].callback_ports: "),
        (
            (Iam(roles=tuple(RoleRule(arn=f"{ROLE}{at}", roles=("viewer",)) for at in range(40))),),
            f"of {AUTH_LIMIT}",
        ),
    ],
)
def test_auth_that_aws_or_the_functions_would_refuse_is_a_fault_of_its_field(
    auth: tuple[Auth, ...], fault: str
) -> None:
    (found,) = config_faults(replace(CONFIGS["dev"], auth=auth))
    assert fault in found


def test_roles_are_those_of_the_functions() -> None:
    assert list(ROLES) == list(Role)


def test_rules_of_iam_are_parsed_as_they_are_configured() -> None:
    auth = (
        Iam(
            tenant_from="principal",
            roles=(
                RoleRule(arn=ROLE, roles=("submitter",), tenant="orders"),
                RoleRule(arn="arn:aws:iam::*:role/ops", roles=("viewer", "operator")),
            ),
        ),
    )
    parsed = parse_auth_rules(json.dumps(auth_rules(auth)))
    assert parsed.jwt is None
    assert parsed.iam == IamRules(
        "principal",
        (
            ParsedRule(ROLE, "orders", frozenset({Role.SUBMITTER})),
            ParsedRule("arn:aws:iam::*:role/ops", None, frozenset({Role.VIEWER, Role.OPERATOR})),
        ),
    )


def test_rules_of_an_issuer_are_parsed_as_they_are_configured() -> None:
    jwt = Jwt(
        issuer=ISSUER,
        audience=("taskyard",),
        roles_claims=("realm_access.roles", "scope"),
        tenant_claim="tenant",
        groups_claim="groups",
        tenant_group_prefix="team-",
        client_is_tenant=True,
        client_tenants=(ClientTenant(client="abc", tenant="orders"),),
    )
    parsed = parse_auth_rules(json.dumps(auth_rules((jwt,))))
    assert parsed.iam is None
    assert parsed.jwt == JwtRules(
        roles_claims=("realm_access.roles", "scope"),
        tenant_claim="tenant",
        groups_claim="groups",
        tenant_group_prefix="team-",
        client_is_tenant=True,
        client_tenants={"abc": "orders"},
    )


def test_rules_of_the_user_pool_have_the_tenants_of_its_clients_by_id() -> None:
    cognito = Cognito(
        service_clients=(
            ServiceClient(name="orders", roles=("submitter",), tenant="shop"),
            ServiceClient(name="ops", roles=("operator",)),
        )
    )
    parsed = parse_auth_rules(json.dumps(auth_rules((cognito,), cognito_clients={"orders": "id1", "ops": "id2"})))
    assert parsed.jwt == JwtRules(
        roles_claims=("scope", "cognito:groups"),
        tenant_group_prefix="tenant:",
        client_is_tenant=True,
        client_tenants={"id1": "shop"},
    )
