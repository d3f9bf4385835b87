"""A request as the handlers of routes see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from functions.api.routing import ID_PATTERNS, Route
from functions.core.errors import FieldError, InvalidRequest, NotFound
from functions.core.identity.principal import TENANT_HEADER, Principal
from functions.intake import body
from functions.intake.principal import principal_of_request
from functions.runtime import wiring

if TYPE_CHECKING:
    from functions.api.services import Services


@dataclass(frozen=True)
class QueryParameters:
    """`values`: of the parameters that the route declares. An empty value counts as left out. `errors`: one for each
    parameter that the route does not declare; the use case adds its own and raises them together."""

    values: Mapping[str, str]
    errors: list[FieldError] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        return self.values.get(name)


@dataclass(frozen=True)
class ApiRequest:
    """`event`: of an HTTP API, payload format 2.0. `path_id`: `{id}` of the path, unchecked."""

    route: Route
    event: Mapping[str, Any]
    services: Services
    request_id: str
    path_id: str = ""

    @cached_property
    def now(self) -> int:
        """Epoch ms, the same for all that one request does."""
        return wiring.clock()

    @cached_property
    def caller(self) -> Principal:
        """Who calls, in its own tenant if it has one. Raises NoIdentity, and the errors of functions.core.identity."""
        return principal_of_request(self.event.get("requestContext") or {}, self.services.environment.auth)

    @property
    def named_tenant(self) -> str | None:
        """What the header X-Taskyard-Tenant says."""
        return self.header(TENANT_HEADER.lower())

    @cached_property
    def principal(self) -> Principal:
        """Who calls, in the tenant that the request is about. Raises as `caller`, and NoRole, NoTenant and
        InvalidTenant for a tenant that it may not name."""
        return self.caller.acting_for(self.named_tenant)

    @property
    def is_audited(self) -> bool:
        """Whether it may have an audit record. A submit and a read in one's own tenant pay for this test only."""
        return self.route.audit is not None or (self.named_tenant is not None and not self.route.open)

    @property
    def tenant(self) -> str:
        tenant = self.principal.tenant
        assert tenant is not None, "acting_for names one"
        return tenant

    def require_role(self) -> None:
        """Of the route, unless the route is open. Raises what `principal` does, and NoRole."""
        if not self.route.open:
            self.principal.require(self.route.role)

    @property
    def id(self) -> str:
        """Of the path. Raises NotFound for one that no resource can have: the store need not be read."""
        what = self.route.id_of
        assert what is not None, self.route.key
        if not re.fullmatch(ID_PATTERNS[what], self.path_id):
            raise NotFound(what, self.path_id)
        return self.path_id

    def header(self, name: str) -> str | None:
        """`name`: in lower case."""
        headers: Mapping[str, str] = self.event.get("headers") or {}
        return next((value for header, value in headers.items() if header.lower() == name), None)

    @property
    def idempotency_key(self) -> str | None:
        """The header as it came; functions.intake.idempotency_key parses it."""
        return self.header("idempotency-key")

    @cached_property
    def query(self) -> QueryParameters:
        declared = {parameter.name for parameter in self.route.query}
        given: Mapping[str, str] = self.event.get("queryStringParameters") or {}
        return QueryParameters(
            {name: value for name, value in given.items() if value and name in declared},
            [FieldError(name, "is not a known parameter") for name in given if name not in declared],
        )

    def body(self) -> dict[str, Any]:
        """Raises MalformedBody, UnsupportedMediaType."""
        return body.parse(
            self.event.get("body"),
            is_base64=bool(self.event.get("isBase64Encoded")),
            content_type=self.header("content-type"),
        )

    def optional_body(self) -> dict[str, Any]:
        """{} for a request without a body."""
        return self.body() if self.event.get("body") else {}

    def require_empty_body(self) -> None:
        """Raises InvalidRequest for a body with fields, which the route would ignore."""
        if fields := self.optional_body():
            raise InvalidRequest([FieldError(name, "is not a known field") for name in fields])
