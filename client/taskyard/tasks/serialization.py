"""The results of handlers and of effects, as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from taskyard.tasks.text import error_text

PATH_LIMIT = 100
"""Steps of a path to a part that cannot be serialized. pydantic rejects a value that is nested more deeply."""


@dataclass
class NotSerializable(Exception):
    """`path`: of the part that cannot be serialized, like `result.items[3].price`."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def json_text(value: Any, *, name: str = "result") -> str:
    """`value` as JSON: by json, or by pydantic when json cannot. pydantic serializes models, dataclasses, Decimal,
    datetime, UUID, sets and bytes in UTF-8; NaN and the infinities become null. `name`: the path of `value`. Raises
    NotSerializable.

    Runs code of the handler (serializers, properties), which may raise any error.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()
    except BaseException:
        return pydantic_json(value, name)
    return text


def pydantic_json(value: Any, name: str) -> str:
    # Imported here, because most results are plain JSON and do not need it.
    from pydantic_core import SchemaSerializer, core_schema

    serializer = SchemaSerializer(core_schema.any_schema())
    try:
        text = serializer.to_json(value).decode()
        # Python serializes an int of any length, but reads at most 4,300 digits. Every read of the task would fail.
        json.loads(text)
    except BaseException as error:
        path, problem = unwritable_part(value, name, serializer, error)
        raise NotSerializable(path, problem) from None
    return text


def unwritable_part(value: Any, path: str, serializer: Any, error: BaseException) -> tuple[str, str]:
    """The path of the innermost part that cannot be serialized, and the reason."""
    ancestors: list[int] = []
    while len(ancestors) < PATH_LIMIT:
        if id(value) in ancestors:
            return path, "refers to itself"
        ancestors.append(id(value))
        for step, part in parts(value):
            try:
                json.loads(serializer.to_json(part))
            except BaseException as part_error:
                value, path, error = part, path + step, part_error
                break
        else:
            return path, error_text(error)
    return path, "is nested too deeply"


def parts(value: Any) -> Iterable[tuple[str, Any]]:
    """The step of the path to each part of a value, and the part. Empty for a value without parts."""
    try:
        if isinstance(value, Mapping):
            return [(f".{key}", part) for key, part in value.items()]
        if isinstance(value, (list, tuple, set, frozenset)):
            return [(f"[{at}]", part) for at, part in enumerate(value)]
        if is_dataclass(value) and not isinstance(value, type):
            return [(f".{field.name}", getattr(value, field.name)) for field in fields(value)]
        return [(f".{field}", getattr(value, field)) for field in type(value).model_fields]
    except BaseException:
        return []
