"""The tenant comes from the identity that API Gateway has verified, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from functions.core.identity.errors import NoRole, NoTenant
from functions.core.identity.rules import AuthRules, IamRules, JwtRules, RoleRule
from functions.core.roles import Role
from functions.intake.principal import InvokerUnknown, NoIdentity, principal_of_invocation, principal_of_request
from functions.intake.problems import problem_of
from tests.integration.cloud import event

ACCOUNT_IS_TENANT = AuthRules(iam=IamRules(), jwt=None)
PRINCIPAL_IS_TENANT = AuthRules(iam=IamRules("principal"), jwt=None)
CLAIM_IS_TENANT = JwtRules(tenant_claim="org")
FUNCTION = "arn:aws:lambda:eu-central-1:111122223333:function:taskyard-producer"


def context(user_arn: str | None = "arn:aws:iam::111122223333:user/alice") -> dict[str, Any]:
    return {"authorizer": {"iam": {"accountId": "111122223333", "userArn": user_arn}}}


def test_an_account_is_a_tenant() -> None:
    assert principal_of_request(context(), ACCOUNT_IS_TENANT).tenant == "111122223333"


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn", "aws-iso", "aws-iso-b", "aws-eusc"])
@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        ("iam::111122223333:user/alice", "user/alice"),
        ("iam::111122223333:user/teams/orders/alice", "user/alice"),
        ("iam::111122223333:user/alice+test=x,y.z@example.com", "user/alice+test=x,y.z@example.com"),
        ("iam::111122223333:user/root", "user/root"),
        ("iam::111122223333:user/role/alice", "user/alice"),
        ("iam::111122223333:root", "root"),
        ("iam::111122223333:role/service/orders", "role/orders"),
        ("sts::111122223333:assumed-role/orders/session-7", "role/orders"),
        ("sts::111122223333:assumed-role/orders/i-0123456789abcdef0", "role/orders"),
        ("sts::111122223333:assumed-role/orders/alice@example.com", "role/orders"),
        ("sts::111122223333:assumed-role/root/x", "role/root"),
        ("sts::111122223333:assumed-role/alice/alice", "role/alice"),
        (
            "sts::111122223333:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/alice@example.com",
            "role/AWSReservedSSO_AdministratorAccess_0123456789abcdef",
        ),
        ("sts::111122223333:assumed-role/AWSServiceRoleForX/y", "role/AWSServiceRoleForX"),
    ],
)
def test_a_user_a_role_and_root_are_tenants_of_their_own(partition: str, arn: str, principal: str) -> None:
    assert (
        principal_of_request(context(f"arn:{partition}:{arn}"), PRINCIPAL_IS_TENANT).tenant
        == f"111122223333/{principal}"
    )


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sts::111122223333:federated-user/bob",
        "arn:aws:sts::111122223333:federated-user/root",
        "arn:aws:sts::111122223333:federated-user/user/alice",
        "arn:aws:sts::111122223333:assumed-role/orders",
        "arn:aws:sts::111122223333:assumed-role/orders/",
        "arn:aws:sts::111122223333:assumed-role//session",
        "arn:aws:sts::111122223333:assumed-role/path/orders/session",
        "arn:aws:sts::111122223333:self",
        "arn:aws:sts::111122223333:user/alice",
        "arn:aws:iam::111122223333:assumed-role/orders/x",
        "arn:aws:iam::111122223333:group/admins",
        "arn:aws:iam::111122223333:user/",
        "arn:aws:iam::111122223333:user",
        "arn:aws:iam::111122223333:root/alice",
        "arn:aws:iam::111122223333:oidc-provider/example.com",
        "arn:aws:iam::999999999999:user/alice",
        "arn:aws:iam::aws:user/alice",
        "arn:other:iam::111122223333:user/alice",
        "arn:aws:s3:::bucket",
        "111122223333",
        "anonymous",
    ],
)
def test_any_other_kind_of_principal_is_refused(arn: str) -> None:
    with pytest.raises(NoTenant, match="neither") as refused:
        principal_of_request(context(arn), PRINCIPAL_IS_TENANT)
    assert problem_of(refused.value, request_id="r").status == 403
    assert principal_of_request(context(arn), ACCOUNT_IS_TENANT).tenant == "111122223333"


def test_sessions_of_one_role_are_one_tenant() -> None:
    role = event("api", "submit_task_assumed_role")["requestContext"]
    assert principal_of_request(role, PRINCIPAL_IS_TENANT).tenant == "123456789012/role/orders-service"


@pytest.mark.parametrize(
    "nobody",
    [
        {},
        {"authorizer": None},
        {"authorizer": {}},
        {"authorizer": {"iam": {}}},
        {"authorizer": {"iam": {"accountId": None, "userArn": "arn:aws:iam::1:user/alice"}}},
        {"authorizer": {"jwt": {}}},
        {"authorizer": {"jwt": {"claims": None, "scopes": None}}},
        {"authorizer": {"lambda": {"sub": "s", "org": "acme", "scope": "taskyard/admin"}}},
        {"accountId": "111122223333"},
    ],
)
@pytest.mark.parametrize("rules", [ACCOUNT_IS_TENANT, PRINCIPAL_IS_TENANT, AuthRules(IamRules(), CLAIM_IS_TENANT)])
def test_without_identity_there_is_no_tenant(nobody: dict[str, Any], rules: AuthRules) -> None:
    with pytest.raises(NoIdentity):
        principal_of_request(nobody, rules)


def test_an_identity_without_an_arn_is_no_tenant_of_its_own() -> None:
    with pytest.raises(NoTenant):
        principal_of_request(context(None), PRINCIPAL_IS_TENANT)


CLAIMS = {"authorizer": {"jwt": {"claims": {"sub": "s", "org": "acme", "scope": "taskyard/viewer"}, "scopes": None}}}


@pytest.mark.parametrize(
    ("request_context", "rules", "tenant"),
    [
        (CLAIMS, AuthRules(iam=None, jwt=CLAIM_IS_TENANT), "acme"),
        (CLAIMS, AuthRules(iam=IamRules(), jwt=CLAIM_IS_TENANT), "acme"),
        (context(), AuthRules(iam=IamRules(), jwt=CLAIM_IS_TENANT), "111122223333"),
        (CLAIMS, AuthRules(iam=IamRules(), jwt=None), None),
        (context(), AuthRules(iam=None, jwt=CLAIM_IS_TENANT), None),
    ],
)
def test_identity_counts_only_where_the_deployment_has_rules_for_its_kind(
    request_context: dict[str, Any], rules: AuthRules, tenant: str | None
) -> None:
    if tenant is None:
        with pytest.raises(NoIdentity):
            principal_of_request(request_context, rules)
    else:
        assert principal_of_request(request_context, rules).tenant == tenant


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov", "aws-cn"])
def test_rule_is_compared_with_the_arn_in_its_own_partition(partition: str) -> None:
    rule = RoleRule(f"arn:{partition}:iam::111122223333:role/orders", "acme", frozenset({Role.VIEWER}))
    rules = AuthRules(iam=IamRules(roles=(rule,)), jwt=None)
    session = "sts::111122223333:assumed-role/orders/session-7"
    assert principal_of_request(context(f"arn:{partition}:{session}"), rules).tenant == "acme"
    with pytest.raises(NoRole):
        principal_of_request(context(f"arn:aws-iso:{session}"), rules)


def test_direct_invocation_is_a_submitter_of_the_account() -> None:
    principal = principal_of_invocation(FUNCTION, AuthRules(iam=IamRules(), jwt=CLAIM_IS_TENANT))
    assert (principal.tenant, principal.name, principal.roles) == ("111122223333", FUNCTION, {Role.SUBMITTER})


@pytest.mark.parametrize(
    "rules",
    [
        PRINCIPAL_IS_TENANT,
        AuthRules(iam=IamRules(roles=(RoleRule("*", None, frozenset({Role.ADMIN})),)), jwt=None),
        AuthRules(iam=None, jwt=CLAIM_IS_TENANT),
    ],
)
def test_direct_invocation_is_refused_where_the_rules_need_its_principal(rules: AuthRules) -> None:
    with pytest.raises(InvokerUnknown):
        principal_of_invocation(FUNCTION, rules)
