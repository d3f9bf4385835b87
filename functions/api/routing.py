"""One declaration per route. Dispatch, 404 and 405, /openapi.json and the routes of the template follow from it.

This module and the routes.py files are imported at start-up. Models and schemas import pydantic, so a declaration names
them by a reference, `package.module:Name`, that only /openapi.json resolves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from functions.core.roles import Role
from functions.core.task import RUN_ID_PATTERN, TASK_ID_PATTERN

if TYPE_CHECKING:
    from aws_lambda_powertools.event_handler import Response

    from functions.api.request import ApiRequest
    from functions.core.audit import Action
    from functions.core.errors import Resource

ID_PATTERNS: Mapping[Resource, str] = {
    "task": TASK_ID_PATTERN,
    "workflow": RUN_ID_PATTERN,
    "schedule": RUN_ID_PATTERN,
}
"""What `{id}` of a path may be, as a regular expression."""


@dataclass(frozen=True)
class QueryParameter:
    """`schema`: JSON Schema of the value."""

    name: str
    schema: Mapping[str, Any]
    description: str = ""
    required: bool = False


@dataclass(frozen=True)
class ResponseDescription:
    """One successful answer. `schema`: reference to the type of its JSON; `other_schema`: to the type that it may be of
    instead. `media_types`: of an answer that is no view.
    `headers`: name → description."""

    description: str
    schema: str = ""
    other_schema: str = ""
    media_types: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """`name`: the operationId. `id_of`: the resource that `{id}` of the path identifies. `body`: reference to the model
    of the body; "" for a route that takes none. `examples`: reference to example bodies by name. `idempotency_key`:
    description of the header Idempotency-Key; "" for a route that ignores it. `conflict`: what 409 means; "" for a
    route that never answers it. `problems`: statuses that do not follow from the rest. `open`: anyone may call it,
    unsigned. `audit`: what its audit records call the act; None for a route that is audited only when an operator acts
    in another tenant. `audit_by_field`: the action of a body whose field has this value. `audit_counts`: fields of the
    answer, numbers or lists, that the record counts."""

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    name: str
    summary: str
    tag: str
    handler: Callable[[ApiRequest], Response[Any]]
    role: Role
    answers: Mapping[int, ResponseDescription]
    id_of: Resource | None = None
    body: str = ""
    body_optional: bool = False
    examples: str = ""
    query: tuple[QueryParameter, ...] = ()
    idempotency_key: str = ""
    conflict: str = ""
    problems: tuple[int, ...] = ()
    open: bool = False
    audit: Action | None = None
    audit_by_field: Mapping[tuple[str, bool], Action] = field(default_factory=dict)
    audit_counts: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """`GET /tasks/{id}`, as API Gateway names a route."""
        return f"{self.method} {self.path}"

    @cached_property
    def path_pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\\{[^}]+\}", "[^/]+", re.escape(self.path)))


KEY_SPELLINGS = (
    "1 to 256 printable characters: bare, in quotes, or, above all where they are not ASCII, as a Display String of "
    'RFC 9651: `%"na%c3%afve"`.'
)
KEY_OF_SUBMIT = (
    "As the field idempotencyKey; if both are given they must agree. Not with `schedule:` first. " + KEY_SPELLINGS
)
KEY_OF_CHANGE = f"The same key and body again change nothing more. {KEY_SPELLINGS}"
KEY_OF_RUN = f"The same key is the same run. {KEY_SPELLINGS}"
"""Descriptions of the header Idempotency-Key."""

TASK_LOCATION = {"Location": "Path of the task."}
TYPE_PARAMETER = QueryParameter("type", {"type": "string", "maxLength": 256}, "Any of the type's names.")


def resolve(reference: str) -> Any:
    """The object that `package.module:Name` refers to."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
