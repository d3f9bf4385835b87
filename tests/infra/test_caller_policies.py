"""The policies of docs/security.md for callers of the IAM API: each role may call its routes, and no others."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.build.locations import ROOT
from infra.build.routes import ApiRoute, build_routes
from infra.caller_policies import API, POLICY_ROLES, caller_policy, section
from local.template.roles import Permission, PermissionDenied, Role

ROUTES = build_routes()
RANKS = {role: rank for rank, role in enumerate(POLICY_ROLES)}
# What may stand for an id: the names of other routes' last parts, too.
IDS = ("0192f0c1-7a31-7b2c-9c45-1b8f7c0e9d11", "batch", "cancel", "redrive", "retry", "run", "graph")


def caller(role: str) -> Role:
    """A role with the policy of `role` and those before it, as the page says."""
    statements: list[dict[str, Any]] = []
    for each in POLICY_ROLES[: RANKS[role] + 1]:
        statements += caller_policy(each, ROUTES)["Statement"]
    return Role("caller", "arn:aws:iam::111122223333:role/caller", frozenset(), statements)


def may_call(role: Role, method: str, path: str) -> bool:
    try:
        role.require([Permission("execute-api:Invoke", f"{API}/{method}{path}")])
    except PermissionDenied:
        return False
    return True


def route_of(method: str, path: str) -> ApiRoute | None:
    """As API Gateway chooses it: a route without parameters goes before one with them."""
    fitting = [
        route
        for route in ROUTES
        if route.method == method and re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", route.path), path)
    ]
    return min(fitting, key=lambda route: route.path.count("{"), default=None)


@pytest.mark.parametrize("role", POLICY_ROLES)
@pytest.mark.parametrize("route", [it for it in ROUTES if not it.open], ids=lambda it: f"{it.method} {it.path}")
def test_policy_of_a_role_allows_the_routes_of_that_role_and_no_others(role: str, route: ApiRoute) -> None:
    for id in IDS:
        path = re.sub(r"{[^}]+}", id, route.path)
        chosen = route_of(route.method, path)
        assert chosen is not None
        assert may_call(caller(role), route.method, path) == (RANKS[role] >= RANKS[chosen.role]), path


def test_every_role_of_a_closed_route_has_a_policy() -> None:
    assert {route.role for route in ROUTES if not route.open} <= set(POLICY_ROLES)


def test_policies_allow_invocations_of_this_api_only() -> None:
    for role in POLICY_ROLES:
        (statement,) = caller_policy(role, ROUTES)["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")
        assert all(resource.startswith(f"{API}/") for resource in statement["Resource"])


def test_security_page_shows_the_policies() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    assert section(ROUTES) in page, "python -m infra.caller_policies prints them anew"


@pytest.mark.parametrize("role", POLICY_ROLES)
def test_policy_fits_an_inline_policy(role: str) -> None:
    # IAM counts without white space: 2,048 characters for all inline policies of a user, 10,240 of a role.
    size = sum(
        len(json.dumps(caller_policy(each, ROUTES), separators=(",", ":"))) for each in POLICY_ROLES[: RANKS[role] + 1]
    )
    assert size < 10_240
