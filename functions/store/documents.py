"""Payloads, results and definitions: in the record when small, in an item of their own when larger, in S3 above that.

Claim and settle cost one write unit whatever the payload's size, because a large payload is not in the record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from functions.aws.transient_errors import translate_transient_errors
from functions.core.errors import PayloadTooLarge
from functions.core.task import Document
from functions.store import keys
from functions.store.records import string_value
from functions.store.table import Table

PAYLOAD_INLINE_BYTES = 300
RESULT_INLINE_BYTES = 200
"""With these limits a typical record stays under the 1 KB of one write unit."""
ITEM_BYTES = 256 * 1024
"""AWS: an item has at most 400 KB. The limit leaves room for the key and for growth."""
LIMIT_BYTES = 5 * 1024 * 1024
"""AWS: an event of Lambda has at most 6 MB. The request stands in it as a quoted text."""

DEFINITION_INLINE_BYTES = 400
"""A run's record is written only a few times, and also holds a task token of about this size."""
DEFINITION_ITEM_BYTES = 16 * 1024
"""Written once and read a few times: from about 8 KB on a PUT to S3 costs less than the write units, and a GET less
than the read units."""
DEFINITION_LIMIT_BYTES = 4 * LIMIT_BYTES
SCHEDULED_WORKFLOW_INLINE_BYTES = 4000
"""A record that is read at each firing, and by lists, is read in one read unit up to about this size."""


class Documents:
    """`s3` makes the S3 client at the first large document. Most functions never need it."""

    def __init__(self, table: Table, bucket: str, s3: Callable[[], Any]) -> None:
        self.table = table
        self.bucket = bucket
        self.s3 = s3

    def store_payload(self, tenant: str, task_id: str, value: Any) -> Document:
        return self._store(tenant, task_id, keys.PAYLOAD, json_text(value), PAYLOAD_INLINE_BYTES)

    def store_result(self, tenant: str, task_id: str, result: str) -> Document:
        """`result`: JSON text."""
        return self._store(tenant, task_id, keys.RESULT, result, RESULT_INLINE_BYTES)

    def store_effect_result(self, tenant: str, task_id: str, result: str) -> Document:
        """The result of an effect of `ctx.once`."""
        return self._store(tenant, task_id, keys.EFFECT, result, ITEM_BYTES)

    def store_definition(self, tenant: str, run: str, value: Any) -> Document:
        """The definition of a workflow. With the defaults filled in, it may be larger than the request."""
        return self._store(
            tenant,
            run,
            keys.DEFINITION,
            json_text(value),
            DEFINITION_INLINE_BYTES,
            item=DEFINITION_ITEM_BYTES,
            limit=DEFINITION_LIMIT_BYTES,
        )

    def store_scheduled_workflow(self, tenant: str, schedule: str, value: Any) -> Document:
        """The workflow that a schedule submits. Each change of it stores another document; the observer deletes the one
        before (store/leftovers.py)."""
        return self._store(
            tenant,
            schedule,
            keys.SCHEDULED_WORKFLOW,
            json_text(value),
            SCHEDULED_WORKFLOW_INLINE_BYTES,
            item=DEFINITION_ITEM_BYTES,
            limit=DEFINITION_LIMIT_BYTES,
        )

    def read(self, tenant: str, task_id: str, kept: Document | None) -> Any:
        """The value. None when there is no document, or when it has expired."""
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
        """The name is a hash of the content. A repeated write stores the same document, and a reused idempotency key
        cannot overwrite the payload of another task."""
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
    """Checked before the fields of a payload, whose errors would hide that the payload as a whole is too large."""
    size = len(json_text(value).encode())
    if size > LIMIT_BYTES:
        raise PayloadTooLarge(size, LIMIT_BYTES)


def json_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
