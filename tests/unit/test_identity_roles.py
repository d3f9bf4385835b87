"""Which role includes which, and in whose tenant a principal acts."""

from __future__ import annotations

import pytest

from functions.core.identity.errors import InvalidTenant, NoRole, NoTenant
from functions.core.identity.principal import Principal
from functions.core.roles import Role

MAY = {
    "viewer": {"viewer"},
    "submitter": {"viewer", "submitter"},
    "admin": {"viewer", "submitter", "admin"},
    "operator": {"viewer", "submitter", "admin", "operator"},
}


def principal(*roles: str, tenant: str | None = "acme") -> Principal:
    return Principal(tenant, "ann", frozenset(map(Role, roles)))


@pytest.mark.parametrize("required", Role)
@pytest.mark.parametrize("held", Role)
def test_role_includes_the_roles_below_it(held: Role, required: Role) -> None:
    assert held.includes(required) is (required in MAY[held])
    assert principal(held).may(required) is (required in MAY[held])


def test_principal_without_roles_may_nothing() -> None:
    assert not any(principal().may(role) for role in Role)


def test_principal_with_several_roles_may_what_the_highest_may() -> None:
    assert principal("viewer", "admin").may(Role.ADMIN)


def test_missing_role_is_named_with_the_roles_held() -> None:
    with pytest.raises(NoRole) as error:
        principal("submitter", "viewer").require(Role.ADMIN)
    assert (error.value.required, list(error.value.held)) == (Role.ADMIN, [Role.VIEWER, Role.SUBMITTER])
    assert str(error.value) == "this takes the role admin; the caller has viewer, submitter"


@pytest.mark.parametrize(
    ("roles", "own", "named", "tenant"),
    [
        ("viewer", "acme", None, "acme"),
        ("viewer", "acme", "acme", "acme"),
        ("operator", "acme", None, "acme"),
        ("operator", "acme", "globex", "globex"),
        ("operator", None, "globex", "globex"),
        ("operator", None, "111122223333", "111122223333"),
        ("operator", None, "111122223333/role/orders", "111122223333/role/orders"),
        ("operator", None, "111122223333/user/a+b=c.d@e", "111122223333/user/a+b=c.d@e"),
        ("operator", None, "111122223333/root", "111122223333/root"),
        ("viewer", "111122223333/role/orders", "111122223333/role/orders", "111122223333/role/orders"),
        ("viewer", "111122223333/role/a,b", "111122223333/role/a,b", "111122223333/role/a,b"),
    ],
)
def test_principal_acts_for_its_own_tenant_or_as_operator_for_the_named(
    roles: str, own: str | None, named: str | None, tenant: str
) -> None:
    assert principal(roles, tenant=own).acting_for(named).tenant == tenant


@pytest.mark.parametrize(
    ("role", "own", "named", "error"),
    [
        ("viewer", "acme", "globex", NoRole),
        ("admin", "acme", "globex", NoRole),
        ("admin", "acme", "ACME", NoRole),
        ("admin", "acme", "", InvalidTenant),
        ("admin", "acme", "acme,acme", InvalidTenant),
        ("operator", "acme", "acme,globex", InvalidTenant),
        ("operator", "acme", "111122223333/role/a,b", InvalidTenant),
        ("operator", "acme", "111122223333/role/a,111122223333/role/b", InvalidTenant),
        ("operator", None, None, NoTenant),
        ("operator", "acme", "", InvalidTenant),
        ("operator", "acme", "a b", InvalidTenant),
        ("operator", "acme", "a#b", InvalidTenant),
        ("operator", "acme", "a/b", InvalidTenant),
        ("operator", "acme", "globex\n", InvalidTenant),
        ("operator", "acme", "ｇlobex", InvalidTenant),
        ("operator", "acme", "x" * 65, InvalidTenant),
        ("operator", "acme", "111122223333/role/a/b", InvalidTenant),
        ("operator", "acme", "111122223333/group/a", InvalidTenant),
    ],
)
def test_tenant_that_may_not_be_named_is_refused(
    role: str, own: str | None, named: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        principal(role, tenant=own).acting_for(named)
