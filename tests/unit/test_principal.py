"""The tenant comes from the identity that API Gateway has verified, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from functions.intake.principal import NoIdentity, principal_of_request
from functions.intake.problems import problem_of
from tests.integration.cloud import event


def context(user_arn: str | None = "arn:aws:iam::111122223333:user/alice") -> dict[str, Any]:
    return {"authorizer": {"iam": {"accountId": "111122223333", "userArn": user_arn}}}


def test_an_account_is_a_tenant() -> None:
    assert principal_of_request(context(), tenant_from="account").tenant == "111122223333"


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
        principal_of_request(context(f"arn:{partition}:{arn}"), tenant_from="principal").tenant
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
    with pytest.raises(NoIdentity) as refused:
        principal_of_request(context(arn), tenant_from="principal")
    assert problem_of(refused.value, request_id="r").status == 403
    assert principal_of_request(context(arn), tenant_from="account").tenant == "111122223333"


def test_sessions_of_one_role_are_one_tenant() -> None:
    role = event("api", "submit_task_assumed_role")["requestContext"]
    assert principal_of_request(role, tenant_from="principal").tenant == "123456789012/role/orders-service"


@pytest.mark.parametrize(
    "nobody",
    [
        {},
        {"authorizer": None},
        {"authorizer": {}},
        {"authorizer": {"iam": {}}},
        {"authorizer": {"iam": {"accountId": None, "userArn": "arn:aws:iam::1:user/alice"}}},
        {"accountId": "111122223333"},
    ],
)
@pytest.mark.parametrize("tenant_from", ["account", "principal"])
def test_without_identity_there_is_no_tenant(nobody: dict[str, Any], tenant_from: str) -> None:
    with pytest.raises(NoIdentity):
        principal_of_request(nobody, tenant_from=tenant_from)


def test_a_principal_without_a_name_is_nobody() -> None:
    with pytest.raises(NoIdentity):
        principal_of_request(context(None), tenant_from="principal")
