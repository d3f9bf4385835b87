"""A change under an Idempotency-Key. The changed record stores the change's mark, so that a repeated request is
recognized and makes no second change. docs/adr/0023."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from functions.core.errors import IdempotencyKeyReused, Resource


@dataclass(frozen=True)
class KeyedChange:
    """`request`: the validated content of the request."""

    key: str
    request: Mapping[str, Any]

    @property
    def mark(self) -> str:
        """`<hash of key>.<hash of request>`, 16 hexadecimal digits each: its size does not depend on the key's
        length."""
        return f"{short_digest(self.key)}.{short_digest(json.dumps(self.request, sort_keys=True))}"

    def is_done_in(self, marks: Iterable[str], *, id: str, what: Resource | Literal["request"] = "task") -> bool:
        """Whether the change is already made. `marks`: of the record's last changes. Raises IdempotencyKeyReused when
        the key belongs to another request."""
        key, _, request = self.mark.partition(".")
        requests = [mark.partition(".")[2] for mark in marks if mark.partition(".")[0] == key]
        if requests and request not in requests:
            raise IdempotencyKeyReused(what, id, self.key)
        return bool(requests)


def short_digest(value: str) -> str:
    return hashlib.blake2b(value.encode(errors="replace"), digest_size=8).hexdigest()
