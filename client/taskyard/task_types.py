"""The task types of a deployment, as its /openapi.json describes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from taskyard.calls import Call, Request

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PayloadField:
    """kind: its type in words, such as `string`, `list of integer`, `"a" | "b"`."""

    name: str
    kind: str
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class TaskType:
    """other_names: accepted for it. fields: of its payload, the required ones first; None: any payload is taken.
    schema: the payload's JSON Schema."""

    name: str
    other_names: tuple[str, ...] = ()
    fields: tuple[PayloadField, ...] | None = None
    schema: Json | None = field(default=None, repr=False)


def types() -> Call[list[TaskType]]:
    return Call(Request("GET", "/openapi.json"), read)


def read(document: Json) -> list[TaskType]:
    schemas = document["components"]["schemas"]
    return [_type(each, schemas) for each in document["x-task-types"]]


def _type(described: Json, schemas: Json) -> TaskType:
    name, other_names = described["name"], tuple(described["otherNames"])
    if described["payload"] is None:
        return TaskType(name, other_names)
    schema = schemas[described["payload"]["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    fields = [
        PayloadField(key, kind_of(each), key in required, str(each.get("description") or ""))
        for key, each in schema.get("properties", {}).items()
    ]
    fields.sort(key=lambda each: not each.required)
    return TaskType(name, other_names, tuple(fields), schema)


def kind_of(schema: Json) -> str:
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema.get("enum", [schema.get("const")]))
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return " | ".join(dict.fromkeys(kind_of(each) for each in schema[name]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].rpartition(".")[2]
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {kind_of(schema['items'])}" if schema.get("items") else "list"
    if isinstance(kind, list):
        return " | ".join(map(str, kind))
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
