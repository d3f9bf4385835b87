"""Claims as API Gateway's JWT authorizer hands them to a function: every value is a string.

A list is `[a b]`, an object is Go's `map[roles:[a b]]` or JSON, a number may be `1.7e+09`, null is left out. Quotes are
not kept, so a list's element that holds a space reads as two: names of roles and groups must have none. Text that
cannot be read is no value, never a guess.

`{"nickname": "x roles:[admin]"}` and `{"nickname": "x", "roles": ["admin"]}` are the same text here. So a rule must not
lead into an object that holds text which users may edit. Top-level claims, and objects of roles only (Keycloak's), are
safe.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NESTING_LIMIT = 8
"""Objects within objects. No issuer nests deeper than three."""


def claim_at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that name, else the one that the dots of `path` lead to (`realm_access.roles`); None if absent.

    Names may hold dots themselves (`https://example.com/roles`): the longest name that exists goes first.
    """
    if path in claims:
        return claims[path]
    name = path
    while "." in name:
        name = name.rpartition(".")[0]
        if name in claims:
            return claim_at(as_object(claims[name]), path[len(name) + 1 :])
    return None


def words_of(value: Any) -> tuple[str, ...]:
    """The strings of a list, or of a text that spaces separate (`scope`); none for what is neither."""
    match value:
        case str() if value.startswith("[") and value.endswith("]"):
            return tuple(value[1:-1].split())
        case str() if not value.startswith(("map[", "{")):
            return tuple(value.split())
        case list() | tuple():
            return tuple(item for item in value if isinstance(item, str))
        case _:
            return ()


def as_object(value: Any) -> Mapping[str, Any]:
    """An object claim; empty for what is none or cannot be read."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str):
        return {}
    try:
        if value.startswith("{"):
            parsed = json.loads(value)
        elif value.startswith("map["):
            parsed = go_map(value)
        else:
            return {}
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def go_map(text: str, depth: int = 0) -> dict[str, Any]:
    """Go's print of a map: `map[name:Ann Lee roles:[a b] x:map[y:1]]`. Raises ValueError.

    Values stay text, but maps become dicts. A name that stands twice, or out of order, is an error: Go prints each
    once and sorted, so part of it came out of a value.
    """
    if depth >= NESTING_LIMIT or not (text.startswith("map[") and text.endswith("]")):
        raise ValueError("not a map")
    entries: dict[str, Any] = {}
    name = None
    for piece in _pieces(text[4:-1]):
        head, colon, tail = piece.partition(":")
        # A piece without a colon, or one that is a list, goes on with a text that holds spaces.
        if colon and head and "[" not in head:
            if name is not None and head <= name:
                raise ValueError("a name stands twice, or out of order")
            name, entries[head] = head, tail
        elif name is not None:
            entries[name] += f" {piece}"
        else:
            raise ValueError("a value without a name")
    return {key: go_map(it, depth + 1) if it.startswith("map[") else it for key, it in entries.items()}


def _pieces(text: str) -> list[str]:
    """Split at the spaces outside of brackets. Raises ValueError for brackets that do not match."""
    pieces, piece, open_brackets = [], "", 0
    for character in text:
        if character == " " and open_brackets == 0:
            pieces.append(piece)
            piece = ""
            continue
        open_brackets += {"[": 1, "]": -1}.get(character, 0)
        if open_brackets < 0:
            raise ValueError("a bracket is closed that was not opened")
        piece += character
    if open_brackets:
        raise ValueError("a bracket is not closed")
    return [it for it in (*pieces, piece) if it]
