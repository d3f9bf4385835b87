"""The JSON Schema of a payload's model, as task-types.json and /openapi.json have it. Only the build makes it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from functions.core.payloads.sensitive import is_sensitive_schema


class PayloadJsonSchema(GenerateJsonSchema):
    """Marks with `writeOnly` every sensitive part, also a Secret[T], which pydantic does not mark."""

    def generate_inner(self, schema: Any) -> Any:
        made = super().generate_inner(schema)
        return {**made, "writeOnly": True} if is_sensitive_schema(schema) else made


def model_schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    """Raises what pydantic raises for a model without a JSON Schema."""
    return adapter.json_schema(schema_generator=PayloadJsonSchema)
