"""Webhook signatures after Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 of id, time, body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret itself
MIN_KEY_BYTES = 24
"""As Standard Webhooks asks: what is shorter can be guessed by whoever has seen one signature."""
SIGNATURE_HEADERS = frozenset({"webhook-id", "webhook-timestamp", "webhook-signature"})
SECRET_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"  # noqa: S105 - the name of one


class Secrets(Protocol):
    def keys(self, tenant: str, name: str) -> tuple[bytes, ...]:
        """Of the secret of that name, newest first. Raises when there is none, or none that may sign."""


def signing_key(secret: str) -> bytes:
    """The key that `whsec_<base64>` stands for, with or without the prefix. Raises ValueError."""
    encoded = secret.strip().removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("the secret is not base64") from None
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"the secret has {len(key)} bytes: {MIN_KEY_BYTES} at least, as base64")
    return key


def signature_headers(keys: Sequence[bytes], *, id: str, at: int, body: bytes) -> dict[str, str]:
    """`keys`: newest first; each signs, so that a receiver may still have the one before. `at`: epoch seconds."""
    signed = f"{id}.{at}.".encode() + body
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
