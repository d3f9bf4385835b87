"""The tenant comes from the identity that API Gateway has verified, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from functions.intake.caller import NoIdentity, caller
from tests.integration.cloud import event


def context(user_arn: str | None = "arn:aws:iam::111122223333:user/alice") -> dict[str, Any]:
    return {"authorizer": {"iam": {"accountId": "111122223333", "userArn": user_arn}}}


def test_an_account_is_a_tenant() -> None:
    assert caller(context(), tenant_from="account").tenant == "111122223333"


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:iam::111122223333:user/alice", "alice"),
        ("arn:aws:iam::111122223333:user/teams/orders/alice", "alice"),
        ("arn:aws:sts::111122223333:assumed-role/orders/session-7", "orders"),
        ("arn:aws:iam::111122223333:role/service/orders", "orders"),
        ("arn:aws:iam::111122223333:root", "root"),
        ("arn:aws:sts::111122223333:federated-user/bob", "bob"),
    ],
)
def test_a_principal_is_a_tenant_of_its_own(arn: str, name: str) -> None:
    assert caller(context(arn), tenant_from="principal").tenant == f"111122223333/{name}"


def test_sessions_of_one_role_are_one_tenant() -> None:
    role = event("api", "submit_task_assumed_role")["requestContext"]
    assert caller(role, tenant_from="principal").tenant == "123456789012/orders-service"


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
        caller(nobody, tenant_from=tenant_from)


def test_a_principal_without_a_name_is_nobody() -> None:
    with pytest.raises(NoIdentity):
        caller(context(None), tenant_from="principal")
