"""Payloads and results: in the record when small, an item of their own when not, in S3 when too large for that.

Claim and settle stay at one write unit whatever the payload: that is why it does not ride in the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from functions.aws.transient_errors import translate_transient_errors
from functions.core.errors import PayloadTooLarge
from functions.core.task import Document
from functions.store import keys
from functions.store.records import string_value
from functions.store.table import Table

PAYLOAD_INLINE_BYTES = 300
RESULT_INLINE_BYTES = 200
"""With everything else that a record holds, these keep it under the kilobyte of one write unit."""
ITEM_BYTES = 256 * 1024
"""DynamoDB takes items of 400 KB; the issue's limit leaves room for the key and for growth."""
LIMIT_BYTES = 5 * 1024 * 1024
"""API Gateway hands Lambda an event of at most 6 MB, the payload quoted inside it."""

DEFINITION_INLINE_BYTES = 400
"""A run's record is written a few times only, and it holds a task token of about as much."""
DEFINITION_ITEM_BYTES = 16 * 1024
"""Written once and read a few times: from about 8 KB on a PUT to S3 costs less than the write units, and a GET less
than the read units."""
DEFINITION_LIMIT_BYTES = 4 * LIMIT_BYTES


@dataclass(frozen=True)
class Documents:
    """`s3` makes the S3 client when the first large document comes: most functions never need it."""

    table: Table
    bucket: str
    s3: Callable[[], Any]

    def store_payload(self, tenant: str, task_id: str, value: Any) -> Document:
        return self._store(tenant, task_id, keys.PAYLOAD, json_text(value), PAYLOAD_INLINE_BYTES)

    def store_result(self, tenant: str, task_id: str, result: str) -> Document:
        """`result`: JSON text, as of every document that a handler makes."""
        return self._store(tenant, task_id, keys.RESULT, result, RESULT_INLINE_BYTES)

    def store_effect_result(self, tenant: str, task_id: str, result: str) -> Document:
        """Of `ctx.once`: in the item of the effect, or in S3."""
        return self._store(tenant, task_id, keys.EFFECT, result, ITEM_BYTES)

    def store_definition(self, tenant: str, run: str, value: Any) -> Document:
        """Of a workflow. What fits a request may fill more here, with its defaults filled in."""
        return self._store(
            tenant,
            run,
            keys.DEFINITION,
            json_text(value),
            DEFINITION_INLINE_BYTES,
            item=DEFINITION_ITEM_BYTES,
            limit=DEFINITION_LIMIT_BYTES,
        )

    def read(self, tenant: str, task_id: str, kept: Document | None) -> Any:
        """The value. None when there is none, or when retention has taken it already."""
        if kept is None or (kept.inline is None and kept.ref is None):
            return None
        if kept.inline is not None:
            return json.loads(kept.inline)
        place, _, name = str(kept.ref).partition(":")
        if place == "s3":
            with translate_transient_errors("S3"):
                return json.loads(self.s3().get_object(Bucket=self.bucket, Key=name)["Body"].read())
        item = self.table.get(keys.task_key(tenant, task_id, name))
        return json.loads(item["document"]["S"]) if item else None

    def _store(
        self,
        tenant: str,
        task_id: str,
        kind: str,
        document: str,
        inline: int,
        *,
        item: int = ITEM_BYTES,
        limit: int = LIMIT_BYTES,
    ) -> Document:
        """Named after what it holds: written twice it is one, and a reused key cannot overwrite another's payload."""
        data = document.encode()
        if len(data) > limit:
            raise PayloadTooLarge(len(data), limit)
        if len(data) <= inline:
            return Document(inline=document)
        name = kind + hashlib.sha256(data).hexdigest()[:20]
        if len(data) <= item:
            self.table.put(keys.task_key(tenant, task_id, name) | {"document": string_value(document)}, if_absent=False)
            return Document(ref=f"item:{name}")
        place = f"{tenant}/{task_id}/{name.replace('#', '-')}.json"
        with translate_transient_errors("S3"):
            self.s3().put_object(Bucket=self.bucket, Key=place, Body=data, ContentType="application/json")
        return Document(ref=f"s3:{place}")


def require_payload_size(value: Any) -> None:
    """Before anything else is said of a payload: a rule on a field of it would hide that it is too large as a whole."""
    size = len(json_text(value).encode())
    if size > LIMIT_BYTES:
        raise PayloadTooLarge(size, LIMIT_BYTES)


def json_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
