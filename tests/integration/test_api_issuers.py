"""A submit with a token of each issuer, as API Gateway hands it over: events/api/submit_task_<issuer>.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.store.keys import tenant_and_task_id
from tests.integration.api import Api
from tests.integration.cloud import Cloud, event

COGNITO = {"rolesClaims": ["scope", "cognito:groups"], "tenantGroupPrefix": "tenant:", "clientIsTenant": True}
AUTH0 = {"rolesClaims": ["permissions"], "tenantClaim": "https://taskyard/tenant"}
ENTRA = {"rolesClaims": ["roles"], "tenantClaim": "tid"}
OKTA = {"rolesClaims": ["scp"], "groupsClaim": "groups", "tenantGroupPrefix": "taskyard-tenant-"}
KEYCLOAK = {"rolesClaims": ["resource_access.taskyard.roles"], "tenantClaim": "org"}
ISSUERS: list[Any] = [
    pytest.param("cognito", COGNITO, "acme", id="cognito"),
    pytest.param("auth0", AUTH0, "acme", id="auth0"),
    pytest.param("entra", ENTRA, "aaaabbbb-0000-cccc-1111-dddd2222eeee", id="entra"),
    pytest.param("okta", OKTA, "acme", id="okta"),
    pytest.param("keycloak", KEYCLOAK, "acme", id="keycloak"),
]


@pytest.mark.parametrize(("issuer", "rules", "tenant"), ISSUERS)
def test_submit_with_a_token_of_an_issuer_is_a_task_of_its_tenant(
    api: Api, aws: Cloud, monkeypatch: pytest.MonkeyPatch, issuer: str, rules: dict[str, Any], tenant: str
) -> None:
    monkeypatch.setenv("AUTH", json.dumps({"jwt": rules}))
    answer = api.send(event("api", f"submit_task_{issuer}"))
    assert answer.status == 201, answer.body
    (record,) = [item for item in aws.items() if item["sk"]["S"] == "TASK"]
    assert tenant_and_task_id(record["pk"]["S"]) == (tenant, answer.body["id"])


@pytest.mark.parametrize(("issuer", "rules", "tenant"), ISSUERS)
@pytest.mark.parametrize("lost", ["role", "tenant"])
def test_submit_with_a_token_that_lost_its_role_or_tenant_is_refused(
    api: Api,
    aws: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    issuer: str,
    rules: dict[str, Any],
    tenant: str,
    lost: str,
) -> None:
    monkeypatch.setenv("AUTH", json.dumps({"jwt": rules}))
    sent = event("api", f"submit_task_{issuer}")
    claims = sent["requestContext"]["authorizer"]["jwt"]["claims"]
    word = "submitter" if lost == "role" else tenant
    for name, value in claims.items():
        claims[name] = value.replace(word, "")
    answer = api.send(sent)
    assert answer.status == 403
    assert answer.body["type"].rpartition(":")[2] in ("no-role", "no-tenant", "invalid-tenant")
    assert aws.items() == []
