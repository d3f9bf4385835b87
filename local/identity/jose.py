"""Compact JWS with RS256 (RFC 7515, 7518), read strictly: what two readers may take differently is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALGORITHM = "RS256"
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


class Unreadable(ValueError):
    """Text that is no JSON object in base64url."""


class SigningKey:
    """An RSA key of 2,048 bits, made anew; its id is its thumbprint (RFC 7638)."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self._private.public_key()
        members = _public_members(self.public)
        self.id = encode(hashlib.sha256(compact_json(members)).digest())
        self.jwk = members | {"kid": self.id, "alg": ALGORITHM, "use": "sig"}

    def sign(self, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """A token. `header`: members beside, or instead of, `alg`, `typ` and `kid`."""
        full_header = {"alg": ALGORITHM, "typ": "JWT", "kid": self.id, **(header or {})}
        return self.sign_text(f"{encode(compact_json(full_header))}.{encode(compact_json(claims))}")

    def sign_text(self, text: str) -> str:
        """`text`: header and payload as they are, joined by a dot."""
        return f"{text}.{encode(self._private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def is_signed_by(key: rsa.RSAPublicKey, text: str, signature: bytes) -> bool:
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def compact_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Base64url without padding, in its only spelling: unused bits are zero. Raises Unreadable."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise Unreadable("not base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise Unreadable("unused bits are set")
    return data


def decode_object(text: str) -> dict[str, Any]:
    """A JSON object in base64url; one with a name twice, NaN or an infinity is refused. Raises Unreadable."""
    try:
        value = json.loads(decode(text).decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(entries := dict(pairs)) != len(pairs):
        raise Unreadable("a name stands twice")
    return entries


def _no_constant(name: str) -> Any:
    raise Unreadable(f"{name} is not JSON")


def _public_members(key: rsa.RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {"kty": "RSA", "n": _encode_number(numbers.n), "e": _encode_number(numbers.e)}


def _encode_number(number: int) -> str:
    return encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
