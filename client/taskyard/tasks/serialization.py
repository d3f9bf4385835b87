"""The results of handlers and of effects, as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from taskyard.tasks.text import error_text

PATH_LIMIT = 100
"""Steps of a path to what cannot be written. What lies deeper is nested too deeply for pydantic anyway."""


@dataclass
class NotSerializable(Exception):
    """`path`: of the part that cannot be written, like `result.items[3].price`."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


def json_text(value: Any, *, name: str = "result") -> str:
    """As json writes it, and what that cannot write as pydantic does: models, dataclasses, Decimal, datetime, UUID,
    sets, bytes in UTF-8; NaN and the infinities become null. Raises NotSerializable; `name` is the path of `value`.

    Runs code of the handler's (serializers, properties), which may raise anything.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()
    except BaseException:
        return pydantic_json(value, name)
    return text


def pydantic_json(value: Any, name: str) -> str:
    # Not at import: only what plain JSON cannot express pays for it.
    from pydantic_core import SchemaSerializer, core_schema

    serializer = SchemaSerializer(core_schema.any_schema())
    try:
        text = serializer.to_json(value).decode()
        # A number of more digits than Python reads would be written, and every reader of the task would fail of it.
        json.loads(text)
    except BaseException as error:
        path, problem = unwritable_part(value, name, serializer, error)
        raise NotSerializable(path, problem) from None
    return text


def unwritable_part(value: Any, path: str, serializer: Any, error: BaseException) -> tuple[str, str]:
    """The path of the innermost part that cannot be written, and why."""
    outer: list[int] = []
    while len(outer) < PATH_LIMIT:
        if id(value) in outer:
            return path, "refers to itself"
        outer.append(id(value))
        for within, part in parts(value):
            try:
                json.loads(serializer.to_json(part))
            except BaseException as found:
                value, path, error = part, path + within, found
                break
        else:
            return path, error_text(error)
    return path, "is nested too deeply"


def parts(value: Any) -> Iterable[tuple[str, Any]]:
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
