"""Paths of fields as the caller named them, and pydantic's errors under such paths."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from functions.core.errors import FieldError

PLAIN_NAME = re.compile(r"[\w-]+")
NAME_CHARACTERS = 200
"""A longer name in a path is cut, because each error below it repeats it."""

PathParts = tuple[str | int, ...]

MESSAGE_BY_ERROR_TYPE = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
}
"""Pydantic's own messages for these mention Python types."""


def field_path(*parts: str | int) -> str:
    """`("payload", "to", 0)` as `payload.to[0]`. A name with a dot or the like in it is quoted: `nodes["a.b"].type`."""
    path = ""
    for part in parts:
        if isinstance(part, str) and len(part) > NAME_CHARACTERS:
            part = f"{part[:NAME_CHARACTERS]}…"
        plain = isinstance(part, str) and (not path or PLAIN_NAME.fullmatch(part))
        path = join_paths(path, str(part) if plain else f"[{json.dumps(part, ensure_ascii=False)}]")
    return path


def join_paths(where: str, field: str) -> str:
    """The path of `field` inside the value at the path `where`."""
    return where + field if field.startswith("[") or not where else f"{where}.{field}"


def field_errors(found: Sequence[Mapping[str, Any]], value: Any, *, under: str = "") -> list[FieldError]:
    """`found`: the list of pydantic's ValidationError.errors() about `value`, which stands at the path `under`.

    Pydantic adds the members of unions to its paths (`to.str`, `to.list[str]`). Those are not the caller's names and
    are left out.
    """
    messages: dict[PathParts, dict[str, None]] = {}
    alternatives: set[PathParts] = set()
    containers: set[PathParts] = set()
    for error in found:
        parts, exact = path_in_value(error, value)
        if not exact:
            alternatives.add(parts)
        # Validators of Taskyard and of task types raise ValueError.
        message = MESSAGE_BY_ERROR_TYPE.get(error["type"], error["msg"].removeprefix("Value error, "))
        messages.setdefault(parts, {})[message] = None
        while parts and (parts := parts[:-1]) not in containers:
            containers.add(parts)
    return [
        FieldError(field_path(*((under,) if under else ()), *parts), " or ".join(texts))
        for parts, texts in messages.items()
        # Of a union's alternatives, the one that matches to a deeper level is the one that the caller meant.
        if not (parts in alternatives and parts in containers)
    ]


def path_in_value(error: Mapping[str, Any], value: Any) -> tuple[PathParts, bool]:
    """The parts of the error's path that are in `value`, and whether those are all of them."""
    parts: list[str | int] = []
    location = error["loc"]
    for at, part in enumerate(location):
        named = error["type"] == "missing" and at == len(location) - 1
        if isinstance(value, Mapping) and (part in value or named):
            value = value.get(part)
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        parts.append(part)
    return tuple(parts), len(parts) == len(location)
