"""Every route × every kind of caller, through both HTTP APIs: who gets in, and what the others are answered.

What is expected comes from the roles that the routes declare. docs/access-matrix.md is the table; it is kept equal, and
`UPDATE_ACCESS_MATRIX=1` writes it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from functions.api.routes import ROUTES
from functions.core.roles import Role
from local.identity.jose import SigningKey, compact_json, decode_object, encode
from local.system import LocalSystem
from local.template.intrinsics import ACCOUNT
from tests.e2e.callers import bearer, signed, token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("taskyard")]

PAGE = Path(__file__).parents[2] / "docs" / "access-matrix.md"
YES, OPEN, IDENTITY = "yes", "open", "identity"
Need = Role | str
"""What a route takes: a role; OPEN: nothing; IDENTITY: any caller that API Gateway lets in. The function answers 404 to
them, and looks at nothing."""
MALFORMED = b"{"
"""Roles are checked before a body is read: this changes nothing where the caller is let in."""
Headers = Callable[[LocalSystem, str, str, bytes], Mapping[str, str]]
"""(system, method, URL, body) → the headers of a request."""


@dataclass(frozen=True)
class Caller:
    """`refusal`: what it is answered on every route with an authorizer, None where its `role` decides."""

    name: str
    headers: Headers
    refusal: str | None = None
    role: Role | None = None

    def expected(self, role: Need) -> str:
        if role == OPEN:
            return OPEN
        if role == IDENTITY:
            return self.refusal if self.refusal in ("401", "403") else YES
        assert isinstance(role, Role)
        if self.refusal is not None:
            return self.refusal
        return YES if self.role is not None and self.role.includes(role) else "403 no-role"


def forged(change: Callable[[LocalSystem, dict[str, Any]], str]) -> Headers:
    """A token made of the claims of an operator's good one."""

    def headers(system: LocalSystem, method: str, url: str, body: bytes) -> Mapping[str, str]:
        return {"authorization": f"Bearer {change(system, decode_object(token(system, 'operator').split('.')[1]))}"}

    return headers


def key_of(system: LocalSystem) -> SigningKey:
    assert system.issuer is not None
    return system.issuer.key


def with_claims(**changes: Any) -> Headers:
    """Signed by the issuer; None takes a claim away."""

    def change(system: LocalSystem, claims: dict[str, Any]) -> str:
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return key_of(system).sign(changed)

    return forged(change)


def with_times(**seconds_from_now: float) -> Headers:
    def change(system: LocalSystem, claims: dict[str, Any]) -> str:
        now = system.clock.now()
        return key_of(system).sign(claims | {name: int(now + each) for name, each in seconds_from_now.items()})

    return forged(change)


def unsigned_token(system: LocalSystem, claims: dict[str, Any]) -> str:
    header = {"alg": "none", "kid": key_of(system).id}
    return f"{encode(compact_json(header))}.{encode(compact_json(claims))}."


def signed_with_the_public_key(system: LocalSystem, claims: dict[str, Any]) -> str:
    text = f"{encode(compact_json({'alg': 'HS256', 'kid': key_of(system).id}))}.{encode(compact_json(claims))}"
    pem = key_of(system).public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{text}.{encode(hmac.new(pem, text.encode(), hashlib.sha256).digest())}"


def tampered(system: LocalSystem, claims: dict[str, Any]) -> str:
    """A viewer's token with the claims of an operator."""
    header, _, signature = token(system, "viewer").split(".")
    return f"{header}.{encode(compact_json(claims))}.{signature}"


def with_role(role: str, tenant: str | None = ACCOUNT, **headers: str) -> Headers:
    return lambda system, method, url, body: bearer(system, role, tenant=tenant) | headers


def with_key(name: str, secret: str = "local", service: str = "execute-api") -> Headers:
    return lambda system, method, url, body: signed(method, url, name, secret, body, service)


def of_function(system: LocalSystem, method: str, url: str, body: bytes) -> Mapping[str, str]:
    """Signed with the credentials of the worker's role, which may not call the API."""
    worker = next(each for each in system.functions.values() if each.spec.label == "worker-normal")
    key, secret = worker.credentials["AWS_ACCESS_KEY_ID"], worker.credentials["AWS_SECRET_ACCESS_KEY"]
    return signed(method, url, key, secret, body)


def of_admin(system: LocalSystem, method: str, url: str, body: bytes) -> Mapping[str, str]:
    return signed(method, url, system.admin.access_key, system.admin.secret, body)


TENANT_HEADER = "x-taskyard-tenant"
TOKEN_CALLERS = (
    Caller("no token", lambda *_: {}, "401"),
    Caller("not a token", lambda *_: {"authorization": "Bearer x"}, "401"),
    Caller("expired", with_times(exp=-1), "401"),
    Caller("not yet valid", with_times(nbf=60), "401"),
    Caller("issued in the future", with_times(iat=60), "401"),
    Caller("without end", with_claims(exp=None), "401"),
    Caller("other audience", with_claims(client_id="another"), "401"),
    Caller("other issuer", with_claims(iss="https://issuer.example"), "401"),
    Caller("unknown key", forged(lambda system, claims: SigningKey().sign(claims)), "401"),
    Caller(
        "other key under a known id",
        forged(lambda system, claims: SigningKey().sign(claims, {"kid": key_of(system).id})),
        "401",
    ),
    Caller("alg none", forged(unsigned_token), "401"),
    Caller("HS256 with the public key", forged(signed_with_the_public_key), "401"),
    Caller("changed claims", forged(tampered), "401"),
    Caller("a signature", of_admin, "401"),
    Caller("an ID token", with_claims(token_use="id"), "401 wrong-token-use"),
    Caller("no role", with_claims(scope="openid"), "403 no-role"),
    Caller("no tenant", with_role("viewer", None), "403 no-tenant"),
    Caller("viewer", with_role("viewer"), role=Role.VIEWER),
    Caller("submitter", with_role("submitter"), role=Role.SUBMITTER),
    Caller("admin", with_role("admin"), role=Role.ADMIN),
    Caller("operator", with_role("operator"), role=Role.OPERATOR),
    Caller("operator of no tenant", with_role("operator", None), "403 no-tenant"),
    Caller("operator for a tenant", with_role("operator", None, **{TENANT_HEADER: "acme"}), role=Role.OPERATOR),
    Caller("admin for another tenant", with_role("admin", **{TENANT_HEADER: "acme"}), "403 no-role"),
    Caller("admin of another tenant", with_role("admin", "acme"), role=Role.ADMIN),
)
SIGNATURE_CALLERS = (
    Caller("no signature", lambda *_: {}, "403"),
    Caller("a token", with_role("operator"), "403"),
    Caller("wrong secret", with_key("local-alice", "wrong"), "403"),
    Caller("unknown key", with_key("AKIAUNKNOWN"), "403"),
    Caller("for another service", with_key("local-alice", service="sqs"), "403"),
    Caller("a role that may not call", of_function, "403"),
    Caller("an IAM user", of_admin, role=Role.ADMIN),
    Caller("a role's session of another account", with_key("local-alice"), role=Role.ADMIN),
)
DEFAULT = "any other"


def routes() -> dict[str, Need]:
    """Route → what it takes."""
    declared: dict[str, Need] = {route.key: OPEN if route.open else route.role for route in ROUTES}
    return declared | {DEFAULT: IDENTITY}


def answer(http: httpx.Client, system: LocalSystem, api: str, route: str, caller: Caller) -> str:
    method, _, path = ("GET /no-such-route" if route == DEFAULT else route).partition(" ")
    body = MALFORMED if method in ("POST", "PUT", "PATCH") else b""
    url = api + path.replace("{id}", "0" * 26).replace("{name}", "none")
    headers = {"content-type": "application/json", **caller.headers(system, method, url, body)}
    response = http.request(method, url, content=body, headers=headers)
    if response.status_code not in (401, 403):
        assert response.status_code < 500, response.text
        return YES
    if response.headers["content-type"] != "application/problem+json":
        assert response.json() == {"message": "Unauthorized" if response.status_code == 401 else "Forbidden"}
        assert ("www-authenticate" in response.headers) == (response.status_code == 401)
        return str(response.status_code)
    return f"{response.status_code} {response.json()['type'].rpartition(':')[2]}"


def rows(callers: tuple[Caller, ...]) -> list[str]:
    head = [f"| {' | '.join(['caller', *map(str, needs())])} |", f"|{'---|' * (len(needs()) + 1)}"]
    return head + [f"| {' | '.join([each.name, *map(each.expected, needs())])} |" for each in callers]


def needs() -> list[Need]:
    used = set(routes().values())
    return [need for need in (OPEN, IDENTITY, *Role) if need in used]


def page() -> str:
    lines = [
        "# Who gets in where",
        "",
        "Written by `tests/e2e/test_local_doors.py`, which calls each route as each caller, through both HTTP APIs of",
        "the local system. [Security](security.md) has the role of each route.",
        "",
        "- A column is what a route takes: a role, or nothing (`open`). `identity` is a path that no route takes: who",
        "  is let in is answered 404.",
        "- `yes`: the caller is let in. A number alone is the answer of API Gateway. A number with a word is the",
        "  function's; the word is the problem type.",
        "",
        "## The JWT API",
        "",
        *rows(TOKEN_CALLERS),
        "",
        "## The IAM API",
        "",
        *rows(SIGNATURE_CALLERS),
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("api", "callers"), [("url", TOKEN_CALLERS), ("iam_url", SIGNATURE_CALLERS)])
def test_each_caller_is_let_in_where_the_role_of_the_route_says(
    system: LocalSystem, api: str, callers: tuple[Caller, ...]
) -> None:
    wrong = []
    width = max(map(len, routes()))
    with httpx.Client(timeout=30) as http:
        for caller in callers:
            print(f"\n{api}: {caller.name}")
            for route, role in routes().items():
                got = answer(http, system, getattr(system, api), route, caller)
                print(f"  {route:<{width}}  {role:<9}  {got}")
                expected = caller.expected(role)
                if got != (YES if expected == OPEN else expected):
                    wrong.append(f"{api}, {caller.name}, {route} ({role}): {got} instead of {expected}")
    assert not wrong, "\n".join(wrong)


def test_page_of_the_access_matrix_is_of_this_code() -> None:
    if os.environ.get("UPDATE_ACCESS_MATRIX"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "UPDATE_ACCESS_MATRIX=1 writes it"


def test_both_apis_show_a_tenant_the_same_tasks(system: LocalSystem) -> None:
    task = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}
    made = httpx.post(f"{system.url}/tasks", json=task, headers=bearer(system), timeout=30).json()
    url = f"{system.iam_url}/tasks/{made['id']}"
    assert httpx.get(url, headers=of_admin(system, "GET", url, b""), timeout=30).json()["id"] == made["id"]


@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (with_role("admin", "acme"), 404),
        (with_role("operator", "acme"), 404),
        (with_role("operator", "acme", **{TENANT_HEADER: ACCOUNT}), 200),
        (with_role("viewer"), 200),
    ],
    ids=["admin of another tenant", "operator of another tenant", "operator for this tenant", "viewer of this tenant"],
)
def test_task_of_another_tenant_is_not_found(system: LocalSystem, caller: Headers, status: int) -> None:
    task = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}
    made = httpx.post(f"{system.url}/tasks", json=task, headers=bearer(system), timeout=30).json()
    url = f"{system.url}/tasks/{made['id']}"
    assert httpx.get(url, headers=caller(system, "GET", url, b""), timeout=30).status_code == status


def test_task_made_through_the_jwt_api_is_of_another_account_s_tenant_no_part(system: LocalSystem) -> None:
    task = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}
    made = httpx.post(f"{system.url}/tasks", json=task, headers=bearer(system), timeout=30).json()
    url = f"{system.iam_url}/tasks/{made['id']}"
    assert httpx.get(url, headers=signed("GET", url, "local-alice", "local"), timeout=30).status_code == 404
