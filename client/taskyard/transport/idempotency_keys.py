"""Idempotency keys: which strings are valid, and how the header encodes them. Requests with the same key are the same
request, sent again."""

import re
import uuid
from collections.abc import Mapping

MAX_CHARACTERS = 256
_PLAIN_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


def new_key() -> str:
    return str(uuid.uuid4())


def checked_key(key: str) -> str:
    """The key without surrounding white space. Raises ValueError for a key that no server accepts."""
    if not isinstance(key, str):
        raise ValueError(f"an idempotency key is a string, not {key!r}")
    stripped = key.strip()
    if not 1 <= len(stripped) <= MAX_CHARACTERS:
        raise ValueError(f"an idempotency key has 1 to {MAX_CHARACTERS} characters, not {len(stripped)}")
    if not stripped.isprintable():
        bad = next(character for character in stripped if not character.isprintable())
        raise ValueError(f"the idempotency key {key!r} holds {bad!r}: every character of a key must be printable")
    return stripped


def key_header(key: str | None = None) -> Mapping[str, str]:
    """Plain where a header can hold the key as it is; else a Display String of RFC 9651, `%"na%c3%afve"`. None: a new
    key."""
    key = new_key() if key is None else checked_key(key)
    if _PLAIN_HEADER_VALUE.fullmatch(key) and not key.startswith(('"', '%"')):
        return {"idempotency-key": key}
    encoded = "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte not in b'%"' else f"%{byte:02x}" for byte in key.encode()
    )
    return {"idempotency-key": f'%"{encoded}"'}
