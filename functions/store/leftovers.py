"""Deletes what remains of a task or run that TTL removed: other items of its partition, documents in S3. Deletes the
workflows that a schedule no longer submits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from functions.aws.transient_errors import translate_transient_errors
from functions.store import keys
from functions.store.records import Item, string_value
from functions.store.table import Table


@dataclass(frozen=True)
class Leftovers:
    """`s3` makes the S3 client at the first large document."""

    table: Table
    bucket: str
    s3: Callable[[], Any]

    def delete_of_task(self, removed: Item) -> None:
        """`removed`: the task's record as it was. Idempotent.

        The same idempotency key may have made a new task with the same id. Then its documents and edges stay, and so do
        old ones that cannot be distinguished from them; only effects older than the new task are deleted. The name of a
        document in S3 is a hash of its content: the new task may use an old document.
        """
        pk = removed["pk"]["S"]
        items = list(
            self.table.query(
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": string_value(pk)},
                ProjectionExpression="sk, createdAt, payloadRef, resultRef, #at",
                ExpressionAttributeNames={"#at": "at"},
                ConsistentRead=True,
            )
        )
        successor = next((item for item in items if item["sk"]["S"] == keys.TASK), None)
        to_delete = [item for item in items if successor is None or is_older_effect(item, successor)]
        to_keep = [item for item in items if item not in to_delete]
        for name in s3_keys(removed, *to_delete) - s3_keys(*to_keep):
            with translate_transient_errors("S3"):
                self.s3().delete_object(Bucket=self.bucket, Key=name)
        # The items go last because they name the documents in S3: a repetition after a crash reads them again.
        for item in to_delete:
            self.table.delete({"pk": string_value(pk), "sk": item["sk"]})

    def delete_of_run(self, removed: Item) -> None:
        """`removed`: a run's record as it was. Deletes its definition; TTL removes nodes, joins and tallies.
        Idempotent. When the same idempotency key has made a new run, nothing is deleted."""
        tenant, run = keys.tenant_and_run(removed["pk"]["S"])
        if self.table.get(keys.run_key(tenant, run)) is not None:
            return
        pk = {"pk": keys.task_key(tenant, run)["pk"]}
        for item in list(
            self.table.query(
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": pk["pk"]},
                ProjectionExpression="sk",
                ConsistentRead=True,
            )
        ):
            self.table.delete({**pk, "sk": item["sk"]})
        ref = removed["definitionRef"]["S"] if "definitionRef" in removed else ""
        if ref.startswith("s3:"):
            self._delete_from_s3(ref)

    def delete_of_schedule(self, before: Item) -> None:
        """`before`: a schedule's record as it was before a change that replaced its workflow, or before its delete. No
        later record names the same document. Idempotent."""
        tenant, schedule = keys.tenant_and_schedule(before["pk"]["S"])
        ref = before["workflowRef"]["S"]
        if ref.startswith("s3:"):
            self._delete_from_s3(ref)
        else:
            self.table.delete(keys.task_key(tenant, schedule, ref.removeprefix("item:")))

    def _delete_from_s3(self, ref: str) -> None:
        with translate_transient_errors("S3"):
            self.s3().delete_object(Bucket=self.bucket, Key=ref.removeprefix("s3:"))


def is_older_effect(item: Item, than: Item) -> bool:
    if not item["sk"]["S"].startswith(keys.EFFECT) or "at" not in item:
        return False
    return int(item["at"]["N"]) < int(than["createdAt"]["N"])


def s3_keys(*items: Item) -> set[str]:
    refs: Iterable[str] = (item[name]["S"] for item in items for name in ("payloadRef", "resultRef") if name in item)
    return {ref.removeprefix("s3:") for ref in refs if ref.startswith("s3:")}
