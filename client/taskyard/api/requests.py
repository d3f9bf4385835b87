"""Builds requests: paths, query strings and JSON bodies."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from taskyard.api.request_fields import without_none
from taskyard.transport.call import JSON_HEADERS, Call, Request
from taskyard.transport.idempotency_keys import key_header

T = TypeVar("T")


def query_of(**parameters: object) -> str:
    """`?a=b&c=d`, without parameters that are None."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in without_none(parameters).items())
    return f"?{query}" if query else ""


def path_of(resource: str, id: str) -> str:
    """resource: tasks, workflows or schedules."""
    if not id:
        raise ValueError(f"the id is empty: {resource}")
    return f"/{resource}/{quote(id, safe='')}"


def encode(document: Mapping[str, Any]) -> bytes:
    """The document as UTF-8 JSON. Raises ValueError for a value that JSON cannot hold."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        context = text[max(0, error.start - 20) : error.end]
        raise ValueError(f"half of a surrogate pair is not a character: {context!r}") from error


def post(
    path: str,
    document: Mapping[str, Any],
    from_json: Callable[[Mapping[str, Any]], T],
    idempotency_key: str | None = None,
) -> Call[T]:
    """A POST of the document without fields that are None, with the given idempotency key or a new one."""
    headers = {**JSON_HEADERS, **key_header(idempotency_key)}
    return Call(Request("POST", path, headers, encode(without_none(document))), from_json)


def post_body(
    path: str, body: bytes, idempotency_key: str | None, from_json: Callable[[Mapping[str, Any]], T]
) -> Call[T]:
    """A POST of the body, byte for byte. A body without an idempotency key, neither as argument nor as field, gets a
    new one in the header: a submit whose answer is lost can then be sent again without a second task."""
    headers = dict(JSON_HEADERS)
    if idempotency_key is not None or not has_idempotency_key(body):
        headers |= key_header(idempotency_key)
    return Call(Request("POST", path, headers, body), from_json)


def has_idempotency_key(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, Mapping) and bool({"idempotencyKey", "idempotency_key"} & document.keys())
