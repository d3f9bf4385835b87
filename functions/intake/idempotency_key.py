"""The idempotency key of a request: in the header Idempotency-Key, in the field idempotencyKey, or in both."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from functions.core.children import CHILD_KEY_PREFIX
from functions.core.errors import FieldError, InvalidRequest
from functions.core.idempotency import KeyedChange
from functions.core.schedules.schedule import SCHEDULE_KEY_PREFIX

if TYPE_CHECKING:
    from functions.intake.task_requests import ParsedRequest, Request

KEY_HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 256


def key_problem(key: str) -> str | None:
    """What is wrong with an idempotency key; None for a valid key."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        return f"must be 1 to {MAX_KEY_LENGTH} printable characters"
    if key.startswith(CHILD_KEY_PREFIX):
        return f"must not begin with {CHILD_KEY_PREFIX}, as the keys of what handlers submit do"
    if key.startswith(SCHEDULE_KEY_PREFIX):
        return f"must not begin with {SCHEDULE_KEY_PREFIX}, as the keys of what schedules submit do"
    return None


def key_of_request(header: str | None, parsed: ParsedRequest[Any]) -> tuple[str | None, list[FieldError]]:
    """The key from the header or from the field. A request may give both if they are equal."""
    field = parsed.fields.get("idempotencyKey")
    field = field.strip() if isinstance(field, str) else None
    if header is None:
        return field, []
    key = parse_key_header(header)
    if problem := key_problem(key):
        return None, [FieldError(KEY_HEADER, problem)]
    if field is not None and field != key:
        message = f"is not the same as {parsed.caller_name('idempotencyKey')}; give one of them"
        return None, [FieldError(KEY_HEADER, message)]
    return key, []


def validated_header_key(header: str | None) -> str | None:
    """The key of a request whose body has no field for it. None without a header. Raises InvalidRequest."""
    if header is None:
        return None
    key = parse_key_header(header)
    if problem := key_problem(key):
        raise InvalidRequest([FieldError(KEY_HEADER, problem)])
    return key


def keyed_change(header: str | None, request: Request) -> KeyedChange | None:
    """The change that `request` asks for, under the key of its header. None without a header. Raises InvalidRequest."""
    key = validated_header_key(header)
    if key is None:
        return None
    fields = request.model_dump(mode="json", include=request.model_fields_set)
    # A field that is null means the same as a field that is left out. The payload is the exception: it may be null.
    return KeyedChange(key, {name: value for name, value in fields.items() if value is not None or name == "payload"})


def parse_key_header(value: str) -> str:
    """The key in the form of the field idempotencyKey. The header has three forms: bare; in quotes, as in the draft of
    the header (a String of RFC 9651); or, for any character, a Display String of RFC 9651, such as `%"na%c3%afve"`.
    "" for an invalid Display String."""
    with contextlib.suppress(UnicodeError):
        # The header holds UTF-8. Some gateways decode its bytes as UTF-8, others as Latin-1.
        value = value.encode("latin-1").decode()
    value = value.strip()
    if len(value) >= 3 and value.startswith('%"') and value.endswith('"'):
        return decode_display_string(value[2:-1]).strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\").strip()
    return value


def decode_display_string(encoded: str) -> str:
    """`na%c3%afve` → `naïve`; "" when it is not UTF-8."""
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeError:
        return ""
