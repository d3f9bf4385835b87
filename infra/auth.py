"""Who may call the API, as a configuration says it: by IAM, by tokens of any OIDC issuer, or of the stack's own pool.

Each entry of a configuration's `auth` is an HTTP API. `auth_faults` finds what AWS or the functions would refuse;
`auth_rules` writes what the functions read in the variable AUTH.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

ROLES: Mapping[str, str] = MappingProxyType(
    {
        "viewer": "Read the tenant's tasks, workflows and schedules",
        "submitter": "Submit and control them, too",
        "admin": "Redrive, cancel in bulk and configure the tenant, too",
        "operator": "Do all that for the tenant that a request names",
    }
)
"""Each includes the roles before it."""
CALLBACK_PORTS = (8976, 8977, 8978)
"""Where `taskyard login` listens on the loopback: the first that is free. Cognito compares callback URLs exactly."""
AUTH_LIMIT = 1280
"""Bytes of the variable AUTH. All variables of a function may hold 4,096, of which the others take about 2,500."""
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CLIENT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DOMAIN_PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
NAMES_OF_AWS = ("aws", "amazon", "cognito")
# RFC 6749: what a scope may be made of.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True, kw_only=True)
class RoleRule:
    """`arn`: a pattern (`*`, `?`) of ARNs of IAM roles or users, without their paths. `roles`: of ROLES. `tenant`: None
    for the one that `Iam.tenant_from` gives."""

    arn: str
    roles: tuple[str, ...]
    tenant: str | None = None


@dataclass(frozen=True, kw_only=True)
class Iam:
    """Requests that are signed with AWS credentials.

    `tenant_from`: `account`: every caller of one AWS account is one tenant; `principal`: every IAM user and every role
    is its own (federated users are refused). `roles`: the first rule that fits decides, and whom none fits has no role;
    without rules, whoever IAM lets call the API is an admin of its tenant.
    """

    tenant_from: Literal["account", "principal"] = "account"
    roles: tuple[RoleRule, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClientTenant:
    """`client`: the id of a client that gets tokens for itself. `tenant`: the one that it works for."""

    client: str
    tenant: str


@dataclass(frozen=True, kw_only=True)
class Jwt:
    """Tokens of an OpenID Connect issuer: Auth0, Entra, Okta, Keycloak and others.

    `issuer`: as tokens say it in `iss`; API Gateway reads the keys from its discovery document. `audience`: one of them
    is in `aud`, or in `client_id` where a token has no `aud`. Claims are named by path (`realm_access.roles`).
    `roles_claims`: their words name roles. The tenant comes from one claim (`tenant_claim`), from a group or role that
    starts with `tenant_group_prefix`, from the table `client_tenants`, or is the id of the client that got a token for
    itself (`client_is_tenant`). `scopes`: a token needs one of these for any route, checked by API Gateway; none: it
    checks no scopes.
    """

    issuer: str
    audience: tuple[str, ...]
    roles_claims: tuple[str, ...] = ("scope",)
    tenant_claim: str | None = None
    groups_claim: str | None = None
    tenant_group_prefix: str | None = None
    client_is_tenant: bool = False
    client_tenants: tuple[ClientTenant, ...] = ()
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceClient:
    """A service that gets tokens for itself, with an id and a secret. `roles`: of ROLES. `tenant`: None for one of its
    own, which its client's id names."""

    name: str
    roles: tuple[str, ...]
    tenant: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cognito:
    """Tokens of a user pool of the stack. People get roles and their tenant (`tenant:<name>`) from groups, services
    from scopes and `service_clients`. `login_domain_prefix`: unique in the region; None for one of the environment and
    the account. `threat_protection`: block compromised passwords and risky logins, at a price per active user."""

    service_clients: tuple[ServiceClient, ...] = ()
    login_domain_prefix: str | None = None
    callback_ports: tuple[int, ...] = CALLBACK_PORTS
    threat_protection: bool = False


Auth = Iam | Jwt | Cognito


def auth_rules(auth: Sequence[Auth], *, cognito_clients: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The variable AUTH, before it is JSON: `{"iam": …, "jwt": …}`, an entry for each HTTP API.

    `cognito_clients`: name of a service client → its id, which the deployment knows.
    """
    rules: dict[str, Any] = {}
    for entry in auth:
        match entry:
            case Iam():
                rules["iam"] = _iam_rules(entry)
            case Jwt():
                rules["jwt"] = _jwt_rules(entry)
            case Cognito():
                rules["jwt"] = _cognito_rules(entry, cognito_clients or {})
    return rules


def _iam_rules(iam: Iam) -> dict[str, Any]:
    rules = [
        {"arn": it.arn, **({} if it.tenant is None else {"tenant": it.tenant}), "roles": list(it.roles)}
        for it in iam.roles
    ]
    return {"tenantFrom": iam.tenant_from, **({"roles": rules} if rules else {})}


def _jwt_rules(jwt: Jwt) -> dict[str, Any]:
    fields = {
        "rolesClaims": list(jwt.roles_claims),
        "tenantClaim": jwt.tenant_claim,
        "groupsClaim": jwt.groups_claim,
        "tenantGroupPrefix": jwt.tenant_group_prefix,
        "clientIsTenant": jwt.client_is_tenant,
        "clientTenants": [{"client": it.client, "tenant": it.tenant} for it in jwt.client_tenants],
    }
    return {name: value for name, value in fields.items() if value}


def _cognito_rules(cognito: Cognito, ids: Mapping[str, str]) -> dict[str, Any]:
    # An id that is not known yet has the length of one, so that the size is right.
    tenants = [
        {"client": ids.get(it.name, "x" * 26), "tenant": it.tenant}
        for it in cognito.service_clients
        if it.tenant is not None
    ]
    return {
        "rolesClaims": ["scope", "cognito:groups"],
        "tenantGroupPrefix": "tenant:",
        "clientIsTenant": True,
        **({"clientTenants": tenants} if tenants else {}),
    }


def auth_faults(auth: Sequence[Auth]) -> Iterator[str]:
    """What is wrong, each with its field: `auth[1].audience: …`."""
    if not auth:
        yield "auth: at least one of Iam, Jwt and Cognito"
    if len([it for it in auth if isinstance(it, Iam)]) > 1:
        yield "auth: at most one Iam"
    if len([it for it in auth if isinstance(it, Jwt | Cognito)]) > 1:
        yield "auth: at most one of Jwt and Cognito, as there is one HTTP API that takes tokens"
    for at, entry in enumerate(auth):
        match entry:
            case Iam():
                faults = _iam_faults(entry)
            case Jwt():
                faults = _jwt_faults(entry)
            case Cognito():
                faults = _cognito_faults(entry)
            case _:
                faults = iter([f": an Iam, a Jwt or a Cognito, not {entry!r}"])
        yield from (f"auth[{at}]{fault}" for fault in faults)
    size = len(json.dumps(auth_rules(auth), separators=(",", ":")).encode())
    if size > AUTH_LIMIT:
        yield (
            f"auth: its rules take {size} bytes in the variable AUTH, of {AUTH_LIMIT}: use patterns that fit several "
            "roles, or claims instead of a table of clients"
        )


def _iam_faults(iam: Iam) -> Iterator[str]:
    if iam.tenant_from not in ("account", "principal"):
        yield f".tenant_from: 'account' or 'principal', not {iam.tenant_from!r}"
    for at, rule in enumerate(iam.roles):
        path = f".roles[{at}]"
        if not rule.arn.startswith(("arn:", "*")):
            yield f"{path}.arn: {rule.arn!r} is no pattern of ARNs, such as 'arn:*:iam::111122223333:role/orders-*'"
        elif ":assumed-role/" in rule.arn or ":sts:" in rule.arn:
            yield f"{path}.arn: {rule.arn!r} names a session: name the role, 'arn:*:iam::<account>:role/<name>'"
        elif rule.arn.count("/") > 1:
            yield f"{path}.arn: {rule.arn!r} has a path, which no caller's ARN has: leave it out"
        yield from _role_faults(path, rule.roles)
        yield from _tenant_faults(path, rule.tenant)


def _jwt_faults(jwt: Jwt) -> Iterator[str]:
    issuer = urlsplit(jwt.issuer)
    if issuer.scheme != "https" or not issuer.netloc or issuer.query or issuer.fragment:
        yield f".issuer: an https URL as tokens say it in 'iss', not {jwt.issuer!r}"
    for name, values in (("audience", jwt.audience), ("roles_claims", jwt.roles_claims)):
        if isinstance(values, str) or not values or not all(values):
            yield f".{name}: a tuple of at least one text, not {values!r}"
    for at, scope in enumerate(jwt.scopes):
        if not _SCOPE.fullmatch(scope):
            yield f".scopes[{at}]: {scope!r} is no scope"
    if jwt.groups_claim and not jwt.tenant_group_prefix:
        yield ".groups_claim: groups name tenants behind a prefix: set tenant_group_prefix"
    if not (jwt.tenant_claim or jwt.tenant_group_prefix or jwt.client_is_tenant or jwt.client_tenants):
        yield ".tenant_claim: no tenant: set it, or tenant_group_prefix, client_is_tenant or client_tenants"
    for at, entry in enumerate(jwt.client_tenants):
        if not entry.client:
            yield f".client_tenants[{at}].client: the id of a client"
        yield from _tenant_faults(f".client_tenants[{at}]", entry.tenant)


def _cognito_faults(cognito: Cognito) -> Iterator[str]:
    for name, count in Counter(it.name for it in cognito.service_clients).items():
        if count > 1:
            yield f".service_clients: {count} have the name {name!r}"
    for at, client in enumerate(cognito.service_clients):
        path = f".service_clients[{at}]"
        if not _CLIENT_NAME.fullmatch(client.name) or client.name == "people":
            yield f"{path}.name: lower-case words with dashes between, other than 'people', not {client.name!r}"
        yield from _role_faults(path, client.roles)
        yield from _tenant_faults(path, client.tenant)
    prefix = cognito.login_domain_prefix
    if prefix is not None and (not _DOMAIN_PREFIX.fullmatch(prefix) or any(it in prefix for it in NAMES_OF_AWS)):
        yield (
            f".login_domain_prefix: {prefix!r}: at most 63 lower-case letters, digits and dashes, without "
            f"{', '.join(NAMES_OF_AWS)}"
        )
    if not cognito.callback_ports or not all(1 <= port <= 65535 for port in cognito.callback_ports):
        yield f".callback_ports: at least one port of 1 to 65535, not {cognito.callback_ports!r}"


def _role_faults(path: str, roles: Sequence[str]) -> Iterator[str]:
    if isinstance(roles, str) or not roles or not set(roles) <= ROLES.keys():
        yield f"{path}.roles: a tuple of {', '.join(ROLES)}, not {roles!r}"


def _tenant_faults(path: str, tenant: str | None) -> Iterator[str]:
    if tenant is not None and not _TENANT.fullmatch(tenant):
        yield f"{path}.tenant: 1 to 64 letters, digits, dots, dashes and underscores, not {tenant!r}"
