"""How identities become principals in one deployment, as its template says it in JSON.

    {"iam": {"tenantFrom": "account", "roles": [{"arn": "arn:aws:iam::*:role/ci-*", "roles": ["submitter"]}]},
     "jwt": {"rolesClaims": ["scope", "cognito:groups"], "tenantClaim": "custom:tenant"}}

A mistake here is the template's and not a caller's: ValueError, which names the field, when the function starts.

The rules are named tuples: each start of a function creates these classes, and a dataclass takes seven times as long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from functions.core.identity.principal import TENANT_NAME
from functions.core.roles import Role

T = TypeVar("T")
Api = Literal["jwt", "iam"]

ROLE_PREFIXES = ("", "taskyard/", "taskyard:", "taskyard.")


class RoleRule(NamedTuple):
    """`arn`: a pattern (`*`, `?`) of IAM role or user ARNs without their paths. `tenant`: None for the tenant that
    IamRules.tenant_from gives."""

    arn: str
    tenant: str | None
    roles: frozenset[Role]


class IamRules(NamedTuple):
    """`roles`: the first rule that fits decides, and whoever fits none has no role. Without rules every principal that
    IAM lets call the API is an admin of its tenant."""

    tenant_from: Literal["account", "principal"] = "account"
    roles: tuple[RoleRule, ...] = ()


class JwtRules(NamedTuple):
    """Claims are named by path (`realm_access.roles`).

    `roles_claims`: their words are roles, behind a prefix of `role_prefixes` ("" for none); other words are ignored.
    The tenant is the first of: what `client_tenants` gives the client's id, in a token that a client got for itself;
    what `tenant_claim` names; the one word of `roles_claims` and `groups_claim` that starts with `tenant_group_prefix`;
    with `client_is_tenant`, the client's id, in a token that a client got for itself.
    `token_uses`: what the claim `token_use` may say, where a token has it.
    """

    roles_claims: tuple[str, ...] = ("scope",)
    role_prefixes: tuple[str, ...] = ROLE_PREFIXES
    tenant_claim: str | None = None
    groups_claim: str | None = None
    tenant_group_prefix: str | None = None
    client_is_tenant: bool = False
    client_tenants: Mapping[str, str] = MappingProxyType({})
    token_uses: tuple[str, ...] = ("access",)


class AuthRules(NamedTuple):
    """One entry per HTTP API of the deployment; None for one that it does not have."""

    iam: IamRules | None
    jwt: JwtRules | None

    @property
    def apis(self) -> tuple[Api, ...]:
        """The HTTP APIs that the deployment has."""
        entries: tuple[tuple[Api, object], ...] = (("jwt", self.jwt), ("iam", self.iam))
        return tuple(api for api, rules in entries if rules is not None)


def parse_auth_rules(text: str) -> AuthRules:
    """The variable AUTH. Raises ValueError."""
    fields = _Fields("AUTH", json.loads(text))
    iam = fields.take("iam", _object, None)
    jwt = fields.take("jwt", _object, None)
    fields.require_no_others()
    if iam is None and jwt is None:
        raise ValueError("AUTH: neither iam nor jwt")
    return AuthRules(
        None if iam is None else parse_iam_rules(iam),
        None if jwt is None else parse_jwt_rules(jwt),
    )


def parse_iam_rules(document: Mapping[str, Any]) -> IamRules:
    """Raises ValueError."""
    fields = _Fields("iam", document)
    tenant_from = fields.take("tenantFrom", _text, "account")
    if tenant_from not in ("account", "principal"):
        raise ValueError(f"iam.tenantFrom: account or principal, not {tenant_from!r}")
    rules = fields.take("roles", _list, [])
    fields.require_no_others()
    return IamRules(
        "account" if tenant_from == "account" else "principal",
        tuple(_role_rule(f"iam.roles[{at}]", rule) for at, rule in enumerate(rules)),
    )


def parse_jwt_rules(document: Mapping[str, Any]) -> JwtRules:
    """Raises ValueError."""
    fields, default = _Fields("jwt", document), JwtRules()
    rules = JwtRules(
        roles_claims=fields.take("rolesClaims", _texts, default.roles_claims),
        role_prefixes=fields.take("rolePrefixes", _texts, default.role_prefixes),
        tenant_claim=fields.take("tenantClaim", _text, None),
        groups_claim=fields.take("groupsClaim", _text, None),
        tenant_group_prefix=fields.take("tenantGroupPrefix", _text, None),
        client_is_tenant=fields.take("clientIsTenant", _flag, default.client_is_tenant),
        client_tenants=dict(
            _client_tenant(f"jwt.clientTenants[{at}]", entry)
            for at, entry in enumerate(fields.take("clientTenants", _list, []))
        ),
        token_uses=fields.take("tokenUses", _texts, default.token_uses),
    )
    fields.require_no_others()
    sources = (rules.tenant_claim, rules.tenant_group_prefix, rules.client_is_tenant, rules.client_tenants)
    if not any(sources):
        raise ValueError("jwt: one of tenantClaim, tenantGroupPrefix, clientIsTenant and clientTenants is needed")
    return rules


class _Fields:
    """The fields of one object, each taken once, so that a misspelt one is an error."""

    def __init__(self, path: str, document: Any) -> None:
        self._path = path
        self._left = dict(_object(document, path))

    def take(self, name: str, read: Callable[[Any, str], T], default: Any) -> T:
        value = self._left.pop(name, None)
        return default if value is None else read(value, f"{self._path}.{name}")

    def require_no_others(self) -> None:
        if self._left:
            raise ValueError(f"{self._path}.{min(self._left)}: no such field")


def _client_tenant(path: str, document: Any) -> tuple[str, str]:
    """A list of pairs and no object: the deployment fills in ids in values, but not in an object's keys."""
    fields = _Fields(path, document)
    client = fields.take("client", _text, None)
    tenant = fields.take("tenant", _text, "")
    fields.require_no_others()
    if not client:
        raise ValueError(f"{path}.client: missing")
    if not TENANT_NAME.fullmatch(tenant):
        raise ValueError(f"{path}.tenant: {tenant!r} is no tenant's name")
    return client, tenant


def _role_rule(path: str, document: Any) -> RoleRule:
    fields = _Fields(path, document)
    arn = fields.take("arn", _text, None)
    tenant = fields.take("tenant", _text, None)
    names = fields.take("roles", _texts, ())
    fields.require_no_others()
    if not arn:
        raise ValueError(f"{path}.arn: missing")
    if tenant is not None and not TENANT_NAME.fullmatch(tenant):
        raise ValueError(f"{path}.tenant: {tenant!r} is no tenant's name")
    if unknown := [name for name in names if name not in set(Role)]:
        raise ValueError(f"{path}.roles: no role {unknown[0]!r}; known: {', '.join(Role)}")
    if not names:
        raise ValueError(f"{path}.roles: missing")
    return RoleRule(arn, tenant, frozenset(map(Role, names)))


def _object(value: Any, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: not an object")
    return value


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{path}: not a list")
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{path}: not a text")
    return value


def _texts(value: Any, path: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{path}: not a list of texts")
    return tuple(value)


def _flag(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{path}: not true or false")
    return value
