"""The fingerprint of a request. It tells a repeated request from another request under the same idempotency key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

DIGEST_VERSION = "2:"
"""Prefix of a digest of the canonical form. Older records hold a digest without a prefix (version 1)."""
DIGEST_LENGTH = 32
"""Characters of a stored digest, with its prefix."""


@dataclass(frozen=True)
class Fingerprint:
    """`canonical_form`: of the request, such as TaskFields.canonical_form returns. `fields`: as the caller sent them,
    under their canonical names."""

    canonical_form: Mapping[str, Any]
    fields: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Of the canonical form, so it is the same for every spelling of the request. Stored in the record."""
        text = json.dumps(self.canonical_form)
        # JSON does not distinguish 900 from 900.0, and some clients write only the latter.
        document = json.loads(text, parse_float=parse_number)
        return DIGEST_VERSION + sha256_of_json(document)[: DIGEST_LENGTH - len(DIGEST_VERSION)]

    def matches(self, digest: str) -> bool:
        """Whether a record with this digest is of the same request. A digest of version 1 matches a repetition in the
        same spelling only."""
        return digest == (self.digest if digest.startswith(DIGEST_VERSION) else version_1_digest(self.fields))


def parse_number(text: str) -> int | float:
    """An int where it has the same value: `900.0` → 900."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def version_1_digest(fields: Mapping[str, Any]) -> str:
    """The digest of the fields as the caller sent them."""
    significant = {
        name: value
        for name, value in fields.items()
        if name != "idempotencyKey" and (value is not None or name == "payload")
    }
    return sha256_of_json(significant)[:DIGEST_LENGTH]


def sha256_of_json(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
