"""The task types of a deployment, as its /openapi.json describes them."""

import json
from dataclasses import dataclass, field

from taskyard.api.json_fields import Json
from taskyard.transport.call import Call, Request


@dataclass(frozen=True, slots=True)
class PayloadField:
    """kind: its type for people, such as `string`, `list of integer`, `"a" | "b"`."""

    name: str
    kind: str
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class TaskType:
    """other_names: accepted instead of `name`. fields: of its payload, the required ones first; None: any payload is
    accepted. schema: the JSON Schema of its payload."""

    name: str
    other_names: tuple[str, ...] = ()
    fields: tuple[PayloadField, ...] | None = None
    schema: Json | None = field(default=None, repr=False)


def types() -> Call[list[TaskType]]:
    """The task types of this deployment, with the fields of their payloads."""
    return Call(Request("GET", "/openapi.json"), types_of_openapi)


def types_of_openapi(document: Json) -> list[TaskType]:
    schemas = document["components"]["schemas"]
    return [_task_type(described, schemas) for described in document["x-task-types"]]


def _task_type(described: Json, schemas: Json) -> TaskType:
    name, other_names = described["name"], tuple(described["otherNames"])
    if described["payload"] is None:
        return TaskType(name, other_names)
    schema = schemas[described["payload"]["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    fields = [
        PayloadField(key, kind_of(field_schema), key in required, str(field_schema.get("description") or ""))
        for key, field_schema in schema.get("properties", {}).items()
    ]
    fields.sort(key=lambda field: not field.required)
    return TaskType(name, other_names, tuple(fields), schema)


def kind_of(schema: Json) -> str:
    """A JSON Schema in a few words."""
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema.get("enum", [schema.get("const")]))
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return " | ".join(dict.fromkeys(kind_of(alternative) for alternative in schema[name]))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].rpartition(".")[2]
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {kind_of(schema['items'])}" if schema.get("items") else "list"
    if isinstance(kind, list):
        return " | ".join(map(str, kind))
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
