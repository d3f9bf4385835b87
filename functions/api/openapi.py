"""/openapi.json (3.1): operations from the declarations of the routes, components from the types that they refer to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any, Literal

from pydantic import TypeAdapter

from functions.api.routes import ROUTES
from functions.api.routing import ID_PATTERNS, QueryParameter, ResponseDescription, Route, resolve
from functions.core.identity.principal import TENANT_HEADER
from functions.core.identity.rules import Api
from functions.core.task_types import RegisteredType
from functions.intake.problems import PROBLEM_TYPES
from functions.intake.task_requests import Request, TaskFields
from functions.runtime import wiring

Json = dict[str, Any]

VERSION = "1.0.0"
COMPONENTS = "#/components/schemas/"
PROBLEM = "functions.api.schemas:Problem"
GATEWAY_MESSAGE = "functions.api.schemas:GatewayMessage"

PROBLEM_DESCRIPTIONS = {
    400: "The body is empty, not JSON, not UTF-8, or not an object.",
    401: "There is no token, or it is not valid here: its signature, its times, or what it is for.",
    413: "The payload is above 5 MB, or the body above what the gateway takes.",
    415: "The body is sent as something else than JSON.",
    422: "The request is not valid: `errors` names each field. Or the idempotency key belongs to another request.",
    429: "Too many requests, or a quota of the tenant is used up for now: `quota` names it.",
    500: "Something went wrong on our side.",
    503: "For now. The same request may be sent again.",
}
NOT_FOUND = {
    "task": "There is no such task of this caller, or it has expired.",
    "workflow": "There is no such workflow of this caller, or it has expired.",
    "schedule": "There is no such schedule of this caller.",
}
GATEWAY_STATUSES = frozenset({401, 403, 413, 429, 500, 503})
"""The gateway answers some of these itself, as plain JSON."""


SECURITY_SCHEMES: dict[Api, Json] = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token of the deployment's OpenID Connect issuer, on the JWT API.",
    },
    "iam": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "AWS Signature Version 4, service execute-api, on the IAM API.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
TENANT_PARAMETER: Json = {
    "name": TENANT_HEADER,
    "in": "header",
    "description": "The tenant that the request is about. Only operators may name another than their own.",
    "schema": {"type": "string", "minLength": 1},
}


@cache
def document(timeout_limit: int, apis: tuple[Api, ...] = ("jwt", "iam")) -> Json:
    """`timeout_limit`: seconds, the most that `timeoutSeconds` may be. `apis`: those that the deployment has."""
    by_name = {each.name: each for each in wiring.registry().types.values()}
    types = [by_name[name] for name in sorted(by_name)]
    payloads = {payload_component(each.name): each for each in types if each.payload_schema is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Taskyard",
            "version": VERSION,
            "description": "Submit background tasks, watch them, change them until they start.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in ROUTES)],
        "x-task-types": [
            {
                "name": each.name,
                "otherNames": list(each.names[1:]),
                "payload": reference(payload_component(each.name))
                if payload_component(each.name) in payloads
                else None,
            }
            for each in types
        ],
        "paths": paths(apis),
        "components": {
            "schemas": schemas(timeout_limit, types, payloads),
            "parameters": {"Tenant": TENANT_PARAMETER},
            "securitySchemes": {api: SECURITY_SCHEMES[api] for api in apis},
        },
    }


def reference(component: str) -> Json:
    return {"$ref": COMPONENTS + component}


# -- operations


def paths(apis: Sequence[Api]) -> Json:
    items: Json = {}
    for route in ROUTES:
        item = items.setdefault(route.path, {})
        if route.id_of:
            schema = reference(id_component(route.id_of))
            item["parameters"] = [{"name": "id", "in": "path", "required": True, "schema": schema}]
        item[route.method.lower()] = operation(route, apis)
    return items


def operation(route: Route, apis: Sequence[Api]) -> Json:
    described: Json = {
        "tags": [route.tag],
        "operationId": route.name,
        "summary": route.summary,
        "responses": {str(status): success(answer) for status, answer in sorted(route.answers.items())}
        | {str(status): failure(route, status) for status in sorted(problem_statuses(route, apis))},
        "security": [],
    }
    if not route.open:
        described["description"] = f"Takes the role `{route.role}`."
        # Of schemes other than OAuth 2.0, OpenAPI 3.1 reads the list as names of roles.
        described["security"] = [{api: [f"taskyard/{route.role}"]} for api in apis]
    if parameters := [*header_parameters(route), *map(query_parameter, route.query)]:
        described["parameters"] = parameters
    if route.body:
        content: Json = {"schema": reference(resolve(route.body).__name__)}
        if route.examples:
            content["examples"] = {name: {"value": value} for name, value in resolve(route.examples).items()}
        described["requestBody"] = {"required": not route.body_optional, "content": {"application/json": content}}
    return described


def problem_statuses(route: Route, apis: Sequence[Api]) -> set[int]:
    statuses = {429, 500, 503, *route.problems}
    if not route.open:
        statuses |= {401, 403} if "jwt" in apis else {403}
    if route.id_of:
        statuses.add(404)
    if route.conflict:
        statuses.add(409)
    if route.query:
        statuses.add(422)
    if route.body:
        statuses |= {400, 413, 415, 422}
    return statuses


def success(answer: ResponseDescription) -> Json:
    described: Json = {"description": answer.description}
    if answer.schema:
        references = [reference(resolve(each).__name__) for each in (answer.schema, answer.other_schema) if each]
        schema = {"anyOf": references} if answer.other_schema else references[0]
        described["content"] = {"application/json": {"schema": schema}}
    elif answer.media_types:
        described["content"] = {
            media_type: {"schema": {"type": "object" if media_type == "application/json" else "string"}}
            for media_type in answer.media_types
        }
    if answer.headers:
        described["headers"] = {
            name: {"description": description, "schema": {"type": "string"}}
            for name, description in answer.headers.items()
        }
    return described


def failure(route: Route, status: int) -> Json:
    content: Json = {"application/problem+json": {"schema": reference("Problem")}}
    if status in GATEWAY_STATUSES:
        content["application/json"] = {"schema": reference("GatewayMessage")}
    if status == 404 and route.id_of:
        description = NOT_FOUND[route.id_of]
    elif status == 403:
        slugs = [f"`{kind.slug}`" for kind in PROBLEM_TYPES.values() if kind.status == status]
        description = (
            f"The caller does not have the role `{route.role}`, or not in this tenant; or the request exceeds a quota: "
            f"{', '.join(slugs)}."
        )
    else:
        description = route.conflict if status == 409 else PROBLEM_DESCRIPTIONS[status]
    described: Json = {"description": description, "content": content}
    if status in (429, 503):
        described["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
    if status == 401:
        described["headers"] = {"WWW-Authenticate": {"description": "RFC 6750.", "schema": {"type": "string"}}}
    return described


def header_parameters(route: Route) -> list[Json]:
    tenant = [] if route.open else [{"$ref": "#/components/parameters/Tenant"}]
    if not route.idempotency_key:
        return tenant
    return [
        *tenant,
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": route.idempotency_key,
            "schema": {"type": "string", "minLength": 1},
        },
    ]


def query_parameter(parameter: QueryParameter) -> Json:
    described: Json = {"name": parameter.name, "in": "query", "schema": parameter.schema}
    if parameter.description:
        described["description"] = parameter.description
    if parameter.required:
        described["required"] = True
    return described


# -- components


def schemas(timeout_limit: int, types: Sequence[RegisteredType], payloads: Mapping[str, RegisteredType]) -> Json:
    bodies = list(request_models())
    answers = {
        schema
        for route in ROUTES
        for answer in route.answers.values()
        for schema in (answer.schema, answer.other_schema)
        if schema
    }
    inputs: list[tuple[str, Literal["validation", "serialization"], TypeAdapter[Any]]]
    inputs = [(body.__name__, "validation", TypeAdapter(body)) for body in bodies]
    inputs += [
        (name, "serialization", TypeAdapter(resolve(name))) for name in sorted({*answers, PROBLEM, GATEWAY_MESSAGE})
    ]
    components: Json = TypeAdapter.json_schemas(inputs, ref_template=COMPONENTS + "{model}")[1]["$defs"]
    components |= {
        id_component(what): {"type": "string", "pattern": f"^{pattern}$"} for what, pattern in ID_PATTERNS.items()
    }
    type_names = sorted(name for each in types for name in each.names)
    for body in bodies:
        schema = components[body.__name__]
        if issubclass(body, TaskFields):
            set_deployment_limits(schema, type_names, timeout_limit)
        add_aliases(schema, body.aliases)
        body.complete_schema(schema, COMPONENTS)
        if len(payloads) == len(types) and "payload" in schema["properties"]:
            # `if` and `then` could tie each one to its type, but tools that read OpenAPI ignore them or fail.
            schema["properties"]["payload"]["anyOf"] = [reference(name) for name in payloads]
    for name, task_type in payloads.items():
        # References within the type's own schema, in the file of the task types.
        text = json.dumps(task_type.payload_schema).replace('"#/$defs/', f'"{COMPONENTS}{name}.')
        schema = json.loads(text)
        components |= {f"{name}.{inner}": inner_schema for inner, inner_schema in schema.pop("$defs", {}).items()}
        components[name] = schema
    for schema in components.values():
        remove_noise(schema)
    return dict(sorted(components.items()))


def request_models() -> Iterator[type[Request]]:
    """Bodies of routes, and models that are parts of them without being referred to by them."""
    found: dict[type[Request], None] = {}
    todo: list[type[Request]] = [resolve(route.body) for route in ROUTES if route.body]
    while todo:
        model = todo.pop(0)
        if model not in found:
            found[model] = None
            todo += model.parts
    return iter(found)


def set_deployment_limits(schema: Json, type_names: list[str], timeout_limit: int) -> None:
    """Of a task: the types that this deployment has, and its longest time-out."""
    schema["properties"]["type"]["enum"] = type_names
    for branch in schema["properties"]["timeoutSeconds"]["anyOf"]:
        if branch["type"] == "integer":
            branch["maximum"] = timeout_limit


def add_aliases(schema: Json, aliases: Mapping[str, str]) -> None:
    """The other names of fields as properties; a body may have each field under one name only."""
    if not aliases:
        return
    names: dict[str, list[str]] = {}
    for alias, field in aliases.items():
        schema["properties"][alias] = schema["properties"][field] | {"description": f"Another name for {field}."}
        names.setdefault(field, [field]).append(alias)
    exclusive = [pair for spellings in names.values() for pair in combinations(spellings, 2)]
    times = [*names.get("runAt", ()), "availableAt"]
    exclusive += [(delay, time) for delay in names.get("delaySeconds", ()) for time in times]
    schema["not"] = {"anyOf": [{"required": list(pair)} for pair in exclusive]}
    if "type" in names:
        schema["required"].remove("type")
        schema["anyOf"] = [{"required": [name]} for name in names["type"]]


def remove_noise(schema: Json) -> None:
    """Titles, which repeat the names; null as the default, which means the same as leaving the field out; and a list
    of no required fields."""
    if not schema.get("required", True):
        del schema["required"]
    for described in schema.get("properties", {}).values():
        described.pop("title", None)
        if described.get("default", 0) is None:
            del described["default"]


def id_component(what: str) -> str:
    return f"{what.capitalize()}Id"


def payload_component(task_type: str) -> str:
    return "Payload." + re.sub(r"[^A-Za-z0-9._-]", "_", task_type)
