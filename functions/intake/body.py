"""Parses the body of a request: bytes in, a JSON object out, or an error that says what is wrong."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, NoReturn

from functions.core.errors import TaskyardError

DEPTH_LIMIT = 100
"""Levels of nesting. Python's own limit is about 1,000 less the depth of the call stack, also in a worker."""


CURL_MEDIA_TYPE = "application/x-www-form-urlencoded"
"""The content type that `curl -d` sends by default. A body with it is accepted when it begins with `{`."""


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


def parse(body: str | None, *, is_base64: bool, content_type: str | None) -> dict[str, Any]:
    """`body`, `is_base64`: of the event of API Gateway. Raises MalformedBody, UnsupportedMediaType."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type and not is_json(media_type) and media_type != CURL_MEDIA_TYPE:
        raise UnsupportedMediaType(media_type)
    text = decode(body or "", is_base64=is_base64)
    if not text.strip():
        raise MalformedBody("the body is empty: send a JSON object")
    if media_type == CURL_MEDIA_TYPE and not text.lstrip().startswith("{"):
        raise UnsupportedMediaType(media_type)
    try:
        value = json.loads(
            text,
            parse_constant=reject_constant,
            parse_float=parse_finite_float,
            object_pairs_hook=reject_duplicate_names,
        )
    except RecursionError:
        raise MalformedBody(f"the body is nested too deeply: at most {DEPTH_LIMIT} levels") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"the body is not JSON: {error.msg} at {where}") from None
    except ValueError:
        # Raised by int(), which accepts up to 4,300 digits.
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


def decode(body: str, *, is_base64: bool) -> str:
    try:
        data = base64.b64decode(body, validate=True) if is_base64 else body.encode()
        return data.decode("utf-8-sig")
    except UnicodeError:
        raise MalformedBody("the body is not UTF-8") from None
    except binascii.Error:
        raise MalformedBody("the body is not the base64 that it is said to be") from None


def reject_duplicate_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON does not define which of two equal names counts, so such a body is rejected."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedBody(f"the body gives {name!r} twice in one object")
            seen.add(name)
    return fields


def reject_constant(name: str) -> NoReturn:
    raise MalformedBody(f"the body holds {name}, which is no JSON number")


def parse_finite_float(number_text: str) -> float:
    number = float(number_text)
    if number - number != 0:
        raise MalformedBody(f"the body holds {number_text[:20]}, which is beyond any number that can be kept")
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
