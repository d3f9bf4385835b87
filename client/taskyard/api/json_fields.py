"""Reads fields of a JSON document that the API answered. A field of another JSON type than expected counts as
absent."""

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def mapping_of(document: Json, name: str) -> Json:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def strings_of(document: Json, name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
