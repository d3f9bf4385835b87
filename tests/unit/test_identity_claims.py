"""Claims as API Gateway's JWT authorizer hands them over → principal, in the shapes of five issuers."""

from __future__ import annotations

from typing import Any

import pytest

from functions.core.identity.claim_values import NESTING_LIMIT, as_object, claim_at, words_of
from functions.core.identity.claims import name_of, principal_of_claims, roles_of
from functions.core.identity.errors import InvalidTenant, NoRole, NoTenant, SeveralTenants, WrongTokenUse
from functions.core.identity.rules import ROLE_PREFIXES, JwtRules
from functions.core.roles import Role

COGNITO = JwtRules(
    roles_claims=("scope", "cognito:groups"),
    tenant_claim="custom:tenant",
    tenant_group_prefix="tenant:",
    client_is_tenant=True,
)
AUTH0 = JwtRules(roles_claims=("permissions",), tenant_claim="https://taskyard/tenant", client_is_tenant=True)
ENTRA = JwtRules(roles_claims=("roles", "scp"), tenant_claim="tid")
OKTA = JwtRules(
    roles_claims=("scp",), groups_claim="groups", tenant_group_prefix="taskyard-tenant-", client_is_tenant=True
)
KEYCLOAK = JwtRules(roles_claims=("realm_access.roles", "resource_access.taskyard.roles"), tenant_claim="org")

SHAPES: list[Any] = [
    pytest.param(
        COGNITO,
        {
            "sub": "s-1",
            "cognito:groups": "[submitter tenant:acme]",
            "token_use": "access",
            "scope": "openid profile",
            "client_id": "1example23456789",
            "username": "ann",
            "exp": "1.7e+09",
            "version": "2",
        },
        ("acme", "ann (s-1)", {"submitter"}),
        id="cognito-person-by-groups",
    ),
    pytest.param(
        COGNITO,
        {
            "sub": "s-1",
            "token_use": "access",
            "scope": "taskyard/viewer taskyard/submitter",
            "custom:tenant": "acme",
            "cognito:groups": "[tenant:other]",
            "username": "ann",
            "client_id": "c",
        },
        ("acme", "ann (s-1)", {"viewer", "submitter"}),
        id="cognito-person-by-claim-before-group",
    ),
    pytest.param(
        COGNITO,
        {"sub": "1example23456789", "token_use": "access", "scope": "taskyard/admin", "client_id": "1example23456789"},
        ("1example23456789", "1example23456789", {"admin"}),
        id="cognito-client-credentials",
    ),
    pytest.param(
        AUTH0,
        {
            "sub": "auth0|5f",
            "azp": "abcDEF",
            "scope": "openid taskyard:admin",
            "permissions": "[taskyard:viewer other:write]",
            "https://taskyard/tenant": "acme",
            "aud": "[https://taskyard https://x.eu.auth0.com/userinfo]",
        },
        ("acme", "auth0|5f", {"viewer"}),
        id="auth0-permissions-and-namespaced-claim",
    ),
    pytest.param(
        AUTH0,
        {"sub": "abcDEF@clients", "azp": "abcDEF", "gty": "client-credentials", "permissions": "[taskyard:submitter]"},
        ("abcDEF", "abcDEF@clients", {"submitter"}),
        id="auth0-client-credentials",
    ),
    pytest.param(
        ENTRA,
        {
            "sub": "AAAA",
            "oid": "o-1",
            "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
            "roles": "[taskyard.operator]",
            "scp": "access_as_user",
            "preferred_username": "ann@example.com",
            "ver": "2.0",
        },
        ("72f988bf-86f1-41af-91ab-2d7cd011db47", "ann@example.com (AAAA)", {"operator"}),
        id="entra-app-roles",
    ),
    pytest.param(
        ENTRA,
        {"sub": "AAAA", "tid": "t-1", "scp": "taskyard.viewer taskyard.submitter"},
        ("t-1", "AAAA", {"viewer", "submitter"}),
        id="entra-delegated-scopes",
    ),
    pytest.param(
        OKTA,
        {
            "sub": "ann@example.com",
            "cid": "0oa1",
            "uid": "00u1",
            "scp": "[openid taskyard.admin]",
            "groups": "[Everyone taskyard-tenant-acme]",
        },
        ("acme", "ann@example.com", {"admin"}),
        id="okta-groups",
    ),
    pytest.param(
        OKTA,
        {"sub": "0oa1", "cid": "0oa1", "scp": "[taskyard.viewer]"},
        ("0oa1", "0oa1", {"viewer"}),
        id="okta-client-credentials",
    ),
    pytest.param(
        KEYCLOAK,
        {
            "sub": "f:1",
            "azp": "taskyard-cli",
            "realm_access": "map[roles:[offline_access uma_authorization admin]]",
            "resource_access": "map[account:map[roles:[manage-account]] taskyard:map[roles:[viewer]]]",
            "org": "acme",
            "preferred_username": "ann",
        },
        ("acme", "ann (f:1)", {"admin", "viewer"}),
        id="keycloak-go-maps",
    ),
    pytest.param(
        KEYCLOAK,
        {"sub": "f:1", "realm_access": '{"roles":["taskyard:submitter"]}', "org": "acme"},
        ("acme", "f:1", {"submitter"}),
        id="keycloak-json-object",
    ),
]


@pytest.mark.parametrize(("rules", "claims", "expected"), SHAPES)
def test_claims_of_an_issuer_become_a_principal(
    rules: JwtRules, claims: dict[str, str], expected: tuple[str, str, set[str]]
) -> None:
    principal = principal_of_claims(claims, rules)
    assert (principal.tenant, principal.name, set(principal.roles)) == expected


ANN = {"sub": "s", "scope": "taskyard/viewer", "custom:tenant": "acme", "token_use": "access"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"token_use": "id"}, WrongTokenUse),
        ({"token_use": ""}, WrongTokenUse),
        ({"scope": "openid"}, NoRole),
        ({"scope": ""}, NoRole),
        ({"scope": None}, NoRole),
        ({"scope": "taskyard/Viewer"}, NoRole),
        ({"scope": "taskyard/viewers"}, NoRole),
        ({"scope": "other/viewer"}, NoRole),
        ({"scope": "taskyard/taskyard/viewer"}, NoRole),
        ({"scope": "taskyard/viewer,taskyard/admin"}, NoRole),
        ({"scope": "map[viewer:viewer]"}, NoRole),
        ({"scope": "[viewer"}, NoRole),
        ({"custom:tenant": None}, NoTenant),
        ({"custom:tenant": ""}, NoTenant),
        ({"custom:tenant": "a/b"}, InvalidTenant),
        ({"custom:tenant": "111122223333/role/orders"}, InvalidTenant),
        ({"custom:tenant": "a#b"}, InvalidTenant),
        ({"custom:tenant": "é"}, InvalidTenant),
        ({"custom:tenant": "x" * 65}, InvalidTenant),
        ({"custom:tenant": "a b"}, SeveralTenants),
        ({"custom:tenant": "[a b]"}, SeveralTenants),
        ({"custom:tenant": None, "cognito:groups": "[tenant:a tenant:b]"}, SeveralTenants),
        ({"custom:tenant": None, "cognito:groups": "[tenant:]"}, InvalidTenant),
        ({"custom:tenant": None, "cognito:groups": "[xtenant:a]"}, NoTenant),
        # A person's token through a client is not the client's.
        ({"custom:tenant": None, "client_id": "c"}, NoTenant),
        ({"custom:tenant": None, "client_id": "c", "sub": "c@clients.example"}, NoTenant),
        ({"custom:tenant": None, "azp": "c", "preferred_username": "service-account-c"}, NoTenant),
    ],
)
def test_claims_that_name_no_role_or_tenant_are_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    claims = {name: value for name, value in (ANN | changes).items() if value is not None}
    with pytest.raises(error):
        principal_of_claims(claims, COGNITO)


@pytest.mark.parametrize(
    ("changes", "tenant"),
    [
        ({}, "acme"),
        ({"custom:tenant": "111122223333"}, "111122223333"),
        ({"custom:tenant": "[acme acme]"}, "acme"),
        ({"custom:tenant": "x" * 64}, "x" * 64),
        ({"custom:tenant": "a.b-c_D9"}, "a.b-c_D9"),
        ({"scope": "taskyard/operator", "custom:tenant": None}, None),
        ({"custom:tenant": None, "cognito:groups": "[tenant:acme tenant:acme]"}, "acme"),
    ],
)
def test_tenant_is_what_the_claims_name(changes: dict[str, Any], tenant: str | None) -> None:
    claims = {name: value for name, value in (ANN | changes).items() if value is not None}
    assert principal_of_claims(claims, COGNITO).tenant == tenant


@pytest.mark.parametrize(
    ("claims", "tenant"),
    [
        ({"sub": "c1", "client_id": "c1"}, "acme"),
        ({"sub": "c1@clients", "azp": "c1", "custom:tenant": "other"}, "acme"),
        ({"sub": "x", "idtyp": "app", "azp": "c1"}, "acme"),
        ({"sub": "c2", "client_id": "c2"}, "c2"),
        # A person who came in through the client.
        ({"sub": "ann", "client_id": "c1", "custom:tenant": "other"}, "other"),
    ],
)
def test_service_has_the_tenant_that_its_client_is_given(claims: dict[str, str], tenant: str) -> None:
    rules = COGNITO._replace(client_tenants={"c1": "acme"})
    assert principal_of_claims(claims | {"scope": "taskyard/viewer"}, rules).tenant == tenant


def test_operator_with_an_invalid_tenant_is_refused_like_anybody() -> None:
    with pytest.raises(InvalidTenant):
        principal_of_claims(ANN | {"scope": "operator", "custom:tenant": "a/b"}, COGNITO)


def test_id_token_is_accepted_where_the_rules_say_so() -> None:
    rules = COGNITO._replace(token_uses=("access", "id"))
    assert principal_of_claims(ANN | {"token_use": "id"}, rules).tenant == "acme"


@pytest.mark.parametrize(
    ("prefixes", "words", "roles"),
    [
        (ROLE_PREFIXES, "viewer taskyard/submitter taskyard:admin taskyard.operator", set(Role)),
        (("yard-",), "viewer taskyard/submitter yard-admin", {Role.ADMIN}),
        (("api://4f/",), "api://4f/viewer", {Role.VIEWER}),
        (ROLE_PREFIXES, "administrator root", set()),
    ],
)
def test_roles_are_words_behind_a_configured_prefix(prefixes: tuple[str, ...], words: str, roles: set[Role]) -> None:
    assert roles_of(words.split(), prefixes) == roles


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a b", ("a", "b")),
        ("  a   b ", ("a", "b")),
        ("[a b]", ("a", "b")),
        ("[]", ()),
        ("", ()),
        # Quotes are part of a name here: JSON would make another name of it.
        ('["admin"]', ('"admin"',)),
        (["a", 1, "b"], ("a", "b")),
        ("map[a:b]", ()),
        ('{"a": "b"}', ()),
        (None, ()),
        (7, ()),
        (True, ()),
    ],
)
def test_words_of_a_claim(value: Any, words: tuple[str, ...]) -> None:
    assert words_of(value) == words


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("map[]", {}),
        ("map[roles:[a b]]", {"roles": "[a b]"}),
        ("map[name:Ann Lee roles:[a]]", {"name": "Ann Lee", "roles": "[a]"}),
        ("map[a:map[b:map[c:d]]]", {"a": {"b": {"c": "d"}}}),
        ("map[a: b:c]", {"a": "", "b": "c"}),
        ("map[url:https://x/y]", {"url": "https://x/y"}),
        ("map[n:1.7e+09 ok:true z:<nil>]", {"n": "1.7e+09", "ok": "true", "z": "<nil>"}),
        ('{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ({"a": "b"}, {"a": "b"}),
        # What cannot be read is empty.
        ("map[roles:[a] roles:[admin]]", {}),
        ("map[z:x] roles:[admin]]", {}),
        ("map[z:x a:y]", {}),
        ("map[roles:[a b]", {}),
        ("map[roles:a]]", {}),
        ("map[a]", {}),
        ("map[:a]", {}),
        ("map", {}),
        ("{", {}),
        ("[1]", {}),
        ("[" * 5000, {}),
        ('{"a":' * 5000, {}),
        ("map[a:" * 500 + "]" * 500, {}),
        (7, {}),
        (None, {}),
    ],
)
def test_object_claim_is_read_or_empty(value: Any, parsed: dict[str, Any]) -> None:
    assert as_object(value) == parsed


def test_objects_nest_to_the_limit() -> None:
    assert as_object("map[a:" * NESTING_LIMIT + "]" * NESTING_LIMIT) != {}
    assert as_object("map[a:" * (NESTING_LIMIT + 1) + "]" * (NESTING_LIMIT + 1)) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("scope", "x"),
        ("https://example.com/roles", "top"),
        ("realm_access.roles", "[a]"),
        ("resource_access.my.client.roles", "[b]"),
        ("realm_access", "map[roles:[a]]"),
        ("realm_access.other", None),
        ("realm_access.roles.deeper", None),
        ("absent.roles", None),
        ("", None),
        (".", None),
    ],
)
def test_claim_is_found_by_its_name_or_path(path: str, value: str | None) -> None:
    claims = {
        "scope": "x",
        "https://example.com/roles": "top",
        "realm_access": "map[roles:[a]]",
        "resource_access": "map[my.client:map[roles:[b]]]",
    }
    assert claim_at(claims, path) == value


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"sub": "s", "username": "ann"}, "ann (s)"),
        ({"sub": "s", "username": "s"}, "s"),
        ({"sub": "s", "email": "a@example.com"}, "a@example.com (s)"),
        ({"username": "ann"}, "ann"),
        ({"client_id": "c"}, "c"),
        ({}, "unknown"),
        ({"sub": "s", "username": "a\nb\x1b[2J"}, "a b [2J (s)"),
    ],
)
def test_name_is_the_subject_with_what_people_call_it(claims: dict[str, str], name: str) -> None:
    assert name_of(claims) == name


def test_long_user_name_does_not_push_the_subject_out() -> None:
    name = name_of({"sub": "s" * 36, "username": "x" * 5000})
    assert len(name) == 200
    assert name.endswith(f" ({'s' * 36})")
