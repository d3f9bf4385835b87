"""The body of a request: bytes of whatever kind in, a JSON object out, or the reason why not."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from functions.core.errors import TaskyardError

DEPTH_LIMIT = 100
"""Levels of nesting. Python's own limit is near 1,000, less what stands on the stack: a worker must read it too."""


CURLS_OWN = "application/x-www-form-urlencoded"
"""What `curl -d` says of any body unless told otherwise: taken for JSON when it begins like it."""


@dataclass
class MalformedBody(TaskyardError):
    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass
class UnsupportedMediaType(TaskyardError):
    media_type: str

    def __str__(self) -> str:
        return f"send the body as application/json, not as {self.media_type!r}"


def read(body: str | None, *, is_base64: bool, content_type: str | None) -> dict[str, Any]:
    """`body` and `is_base64`: as API Gateway hands them over. Raises MalformedBody, UnsupportedMediaType."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type and not is_json(media_type) and media_type != CURLS_OWN:
        raise UnsupportedMediaType(media_type)
    text = decoded(body or "", is_base64=is_base64)
    if not text.strip():
        raise MalformedBody("the body is empty: send a JSON object")
    if media_type == CURLS_OWN and not text.lstrip().startswith("{"):
        raise UnsupportedMediaType(media_type)
    try:
        value = json.loads(text, parse_constant=no_number, parse_float=finite, object_pairs_hook=each_once)
    except RecursionError:
        raise MalformedBody(f"the body is nested too deeply: at most {DEPTH_LIMIT} levels") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"the body is not JSON: {error.msg} at {where}") from None
    except ValueError:
        # Of int(): it takes 4,300 digits.
        raise MalformedBody("the body holds a number with too many digits") from None
    if not isinstance(value, dict):
        raise MalformedBody("the body is JSON, but not an object")
    check_depth(value)
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise MalformedBody("the body holds half of a surrogate pair, which is no character") from None
    return value


def is_json(media_type: str) -> bool:
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def decoded(body: str, *, is_base64: bool) -> str:
    try:
        data = base64.b64decode(body, validate=True) if is_base64 else body.encode()
        return data.decode("utf-8-sig")
    except UnicodeError:
        raise MalformedBody("the body is not UTF-8") from None
    except binascii.Error:
        raise MalformedBody("the body is not the base64 that it is said to be") from None


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON leaves open which of two counts: what was meant is not guessed, least of all of a filter or a node."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedBody(f"the body gives {name!r} twice in one object")
            seen.add(name)
    return found


def no_number(name: str) -> NoReturn:
    raise MalformedBody(f"the body holds {name}, which is no JSON number")


def finite(written: str) -> float:
    number = float(written)
    if number - number != 0:
        raise MalformedBody(f"the body holds {written[:20]}, which is beyond any number that can be kept")
    return number


def check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEPTH_LIMIT):
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise MalformedBody(f"the body is nested too deeply: at most {DEPTH_LIMIT} levels")
