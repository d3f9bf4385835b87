"""Converts the options of a Python call to the fields of a request body.

An option that is left out, or None, is not sent: the default of the server applies.
"""

from collections.abc import Callable, Mapping
from typing import Any

FieldMap = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Option → name of its JSON field, and the function that converts a value that is not None."""


def same_value(value: Any) -> Any:
    return value


def to_fields(options: Mapping[str, Any], field_map: FieldMap) -> dict[str, Any]:
    """The options under their JSON names, None included. Raises TypeError for an unknown option."""
    for name in options.keys() - field_map.keys():
        raise TypeError(f"unknown option {name!r}; the options are {', '.join(field_map)}")
    return {
        field_name: None if options[name] is None else convert(options[name])
        for name, (field_name, convert) in field_map.items()
        if name in options
    }


def without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}
