"""Who may call which route, on both HTTP APIs: every route of the declarations, with every role."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.api.routes import ROUTES
from functions.api.routing import Route
from functions.core.task import id_for_key
from tests.integration.api import MESSAGE, Answer, Api, role_identity, token_identity
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import Clock

ROLES = ("viewer", "submitter", "admin", "operator")
RULES = [
    {"arn": "arn:aws:iam::*:role/operator", "roles": ["operator"], "tenant": "acme"},
    *({"arn": f"arn:aws:iam::*:role/{role}", "roles": [role], "tenant": "acme"} for role in ROLES),
]
AUTH = {"jwt": {"tenantClaim": "org"}, "iam": {"roles": RULES}}
UNREADABLE = b"\xff{"
REFUSALS = (401, 403)


def identity(kind: str, role: str) -> dict[str, Any]:
    """`role`: "" for a verified caller that has none."""
    if kind == "jwt":
        return token_identity(*([role] if role else ()), tenant="acme")
    return role_identity(role or "stranger")


def call(aws: Cloud, route: Route, caller: dict[str, Any], tenant: str | None = None) -> Answer:
    """With a body that cannot be read: who may call gets a 400, or what a route without a body answers."""
    path = route.path.replace("{id}", id_for_key(TENANT, "none"))
    headers = {} if tenant is None else {"X-Taskyard-Tenant": tenant}
    aws.forget_calls()
    return Api(aws, identity=caller)(route.method, path, UNREADABLE if route.body else None, headers=headers)


@pytest.fixture(autouse=True)
def rules(aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", json.dumps(AUTH))


APIS = pytest.mark.parametrize("kind", ["jwt", "iam"])


@APIS
@pytest.mark.parametrize("role", ["", *ROLES])
def test_routes_take_their_role_and_those_above_and_no_other(aws: Cloud, kind: str, role: str) -> None:
    for route in ROUTES:
        answer = call(aws, route, identity(kind, role))
        if route.open or (role and ROLES.index(role) >= ROLES.index(route.role)):
            assert answer.status not in REFUSALS, route.key
            assert answer.status == 400 or not route.body, f"{route.key}: the unreadable body is not looked at"
            continue
        # A caller without any role is told the least one.
        required = route.role if role else "viewer"
        assert (answer.status, answer.body["type"]) == (403, "urn:taskyard:problem:no-role"), route.key
        assert (answer.body["required"], answer.body["held"]) == (required, [role] if role else []), route.key
        assert answer.body["detail"] == f"this takes the role {required}; the caller has {role or 'none'}"
        # A caller without a role is no principal, and has no audit record.
        assert aws.called() == (["dynamodb.PutItem"] if route.audit and role else []), route.key


@APIS
@pytest.mark.parametrize("role", ROLES)
def test_routes_take_another_tenant_from_operators_only(aws: Cloud, kind: str, role: str) -> None:
    for route in ROUTES:
        answer = call(aws, route, identity(kind, role), tenant="globex")
        if route.open or role == "operator":
            assert answer.status not in REFUSALS, route.key
            continue
        assert (answer.status, answer.body["type"]) == (403, "urn:taskyard:problem:no-role"), route.key
        assert answer.body["required"] == "operator", route.key
        assert aws.called() == ["dynamodb.PutItem"], f"{route.key}: the audit record alone"


def test_routes_with_data_take_no_request_without_an_identity(aws: Cloud) -> None:
    for route in ROUTES:
        answer = call(aws, route, {})
        if route.open:
            assert answer.status == 200, route.key
            continue
        assert (answer.status, answer.body["type"]) == (403, "urn:taskyard:problem:no-identity"), route.key
        assert aws.called() == [], route.key


# -- what is not of one route


@pytest.mark.parametrize(
    ("kind", "auth"), [("jwt", {"iam": {}}), ("iam", {"jwt": {"tenantClaim": "org"}})], ids=["jwt", "iam"]
)
def test_identity_of_an_api_that_the_deployment_does_not_have_is_refused(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, kind: str, auth: dict[str, Any]
) -> None:
    monkeypatch.setenv("AUTH", json.dumps(auth))
    answer = Api(aws, identity=identity(kind, "operator"))("GET", "/tasks")
    assert (answer.status, answer.body["type"]) == (403, "urn:taskyard:problem:no-identity")


@pytest.mark.parametrize(
    ("caller", "tenant", "status", "slug"),
    [
        (token_identity("viewer", tenant=None), None, 403, "no-tenant"),
        (token_identity("viewer", tenant=None), "acme", 403, "no-tenant"),
        (token_identity("viewer", tenant="[acme globex]"), None, 403, "several-tenants"),
        (token_identity("viewer", tenant="a/b"), None, 403, "invalid-tenant"),
        (token_identity("viewer", tenant="acme", token_use="id"), None, 401, "wrong-token-use"),
        (token_identity("viewer", tenant="acme"), "", 403, "invalid-tenant"),
        (token_identity("viewer", tenant="acme"), "acme,acme", 403, "invalid-tenant"),
        (token_identity("operator", tenant="acme"), "", 403, "invalid-tenant"),
        (token_identity("operator", tenant="acme"), "acme,globex", 403, "invalid-tenant"),
        (token_identity("operator", tenant="acme"), "a b", 403, "invalid-tenant"),
        (token_identity("operator", tenant=None), None, 403, "no-tenant"),
        (role_identity("operator"), "", 403, "invalid-tenant"),
    ],
)
def test_caller_whose_tenant_is_not_clear_is_refused(
    aws: Cloud, caller: dict[str, Any], tenant: str | None, status: int, slug: str
) -> None:
    headers = {} if tenant is None else {"X-Taskyard-Tenant": tenant}
    answer = Api(aws, identity=caller)("GET", "/tasks", headers=headers)
    assert (answer.status, answer.body["type"]) == (status, f"urn:taskyard:problem:{slug}")
    assert answer.headers.get("www-authenticate") == ('Bearer error="invalid_token"' if status == 401 else None)
    assert aws.called() == []


@pytest.mark.parametrize("own", ["acme", None])
def test_operator_works_in_the_tenant_that_it_names(aws: Cloud, own: str | None) -> None:
    operator = Api(aws, identity=token_identity("operator", tenant=own))
    made = operator("POST", "/tasks", MESSAGE, headers={"X-Taskyard-Tenant": "globex"}).body
    assert Api(aws, identity=token_identity("viewer", tenant="globex")).get(made["id"])["id"] == made["id"]
    assert Api(aws, identity=token_identity("viewer", tenant="acme"))("GET", f"/tasks/{made['id']}").status == 404


def test_caller_may_name_its_own_tenant(aws: Cloud) -> None:
    viewer = Api(aws, identity=token_identity("viewer", tenant="acme"))
    assert viewer("GET", "/tasks", headers={"x-taskyard-tenant": "acme"}).status == 200


def test_both_apis_show_the_data_of_one_tenant(aws: Cloud) -> None:
    made = Api(aws, identity=token_identity("submitter", tenant="acme")).submit()
    assert Api(aws, identity=role_identity("viewer")).get(made["id"])["id"] == made["id"]


def test_iam_without_rules_makes_every_caller_an_admin_of_its_account(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH", '{"iam": {}}')
    caller = Api(aws, identity=role_identity("anybody"))
    assert caller("POST", "/dead-letters/redrive", {}).status == 200
    answer = caller("GET", "/tasks", headers={"X-Taskyard-Tenant": "acme"})
    assert answer.body["detail"] == "this takes the role operator; the caller has admin"


def test_retry_is_recorded_with_the_name_of_the_caller(aws: Cloud) -> None:
    submitter = Api(aws, identity=token_identity("submitter", tenant="acme"))
    failed = submitter.submit(type="FAIL_SOMETIMES", payload={"probability": 1}, maxRetries=0)
    aws.work_off()
    assert submitter("POST", f"/tasks/{failed['id']}/retry", {}).status == 200
    assert "ann (s-1)" in json.dumps(submitter.get(failed["id"]))
