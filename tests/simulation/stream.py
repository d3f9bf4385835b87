"""The table's stream: records in order per item, batches in order per shard, delivered at least once, bisected."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from functions.store import keys
from tests.simulation.fibers import SECOND

if TYPE_CHECKING:
    from tests.simulation.world import World

RETRIES = 10
"""As infra/functions/observer.py says. Faults leave a batch alone after half of them: else counters would be off."""

KEPT_SECONDS = 24 * 3600
"""AWS keeps a stream's records so long."""


class Shard:
    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.records: list[dict[str, Any]] = []
        self.handed_out: list[dict[str, Any]] = []
        self.busy = False

    def add(self, record: dict[str, Any]) -> None:
        self.records.append(record)
        if not self.busy and len(self.records) == 1:
            self._later()

    def _later(self) -> None:
        self.world.hub.after(self.world.faults.stream(), self._poll)

    def _poll(self) -> None:
        if self.busy or not self.records:
            return
        self.busy = True
        size = self.world.faults.stream_batch(len(self.records))
        batch, self.records = self.records[:size], self.records[size:]
        self.handed_out += batch
        self._deliver([batch], 0)

    def _deliver(self, parts: list[list[dict[str, Any]]], tries: int) -> None:
        """The first of `parts`; the rest, in order, after it."""
        if not parts:
            self.busy = False
            if self.records:
                self._later()
            return
        batch, rest = parts[0], parts[1:]
        world = self.world

        def done(answer: Any) -> None:
            again: list[list[dict[str, Any]]] | None = None
            if answer is None or "state" not in answer:
                middle = len(batch) // 2
                again = [batch[:middle], batch[middle:]] if middle else [batch]
            elif failed := [f["itemIdentifier"] for f in answer.get("batchItemFailures") or ()]:
                at = [record["dynamodb"]["SequenceNumber"] for record in batch].index(failed[0])
                again = [batch[at:]]
            elif tries < RETRIES // 2 and world.faults.happens("redelivered", f"{self.name}: batch again"):
                again = [self._from_further_back(batch) if world.faults.coin() else batch]
            if again is None:
                self._deliver(rest, 0)
            elif tries >= RETRIES:
                world.violate(f"the stream gave up {len(batch)} records")
                self._deliver(rest, 0)
            else:
                world.hub.after(world.faults.stream(), lambda: self._deliver(again + rest, tries + 1))

        names = ",".join(record["eventID"] for record in batch)
        event = {"Records": batch, "shardId": self.name, "state": {}}
        world.functions.invoke("observer", event, done, names, spared=tries >= RETRIES // 2)

    def _from_further_back(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """With some of what was done before it, as long as the stream keeps that: its reader has lost its place."""
        end = self.handed_out.index(batch[-1]) + 1
        oldest = self.world.hub.now // SECOND - KEPT_SECONDS
        created = (record["dynamodb"]["ApproximateCreationDateTime"] for record in self.handed_out)
        first = next(at for at, when in enumerate(created) if when > oldest or at == end - 1)
        return self.handed_out[self.world.faults.choose(range(first, end)) : end]


class Stream:
    def __init__(self, world: World, shards: int) -> None:
        self.world = world
        self.shards = [Shard(world, f"shard-{number}") for number in range(shards)]
        self.sequence = 0

    def write(self, before: dict[str, Any] | None, after: dict[str, Any] | None, *, expired: bool = False) -> None:
        """Only what the event source's filter lets through: records of tasks, of runs, of the journal of counts, and of
        schedules whose workflow was in a document of its own."""
        image = after or before
        if image is None or before == after:
            return
        sk = image["sk"]["S"]
        is_scheduled_workflow = sk == keys.SCHEDULE and before is not None and "workflowRef" in before
        if sk not in (keys.TASK, keys.WORKFLOW) and not sk.startswith(keys.JOURNAL_BATCH) and not is_scheduled_workflow:
            return
        self.sequence += 1
        now = self.world.hub.now
        change: dict[str, Any] = {
            "ApproximateCreationDateTime": now // SECOND,
            "Keys": {"pk": image["pk"], "sk": image["sk"]},
            "SequenceNumber": f"{self.sequence:020d}",
            "SizeBytes": 1000,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        if after is not None:
            change["NewImage"] = after
        if before is not None:
            change["OldImage"] = before
        record = {
            "eventID": f"e{self.sequence}",
            "eventName": "INSERT" if before is None else "REMOVE" if after is None else "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/taskyard/stream/1",
            "dynamodb": change,
        }
        if expired:
            record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        # By both keys: DynamoDB may split what lies under one. Not hash(): it differs from process to process.
        shard = zlib.crc32(f"{image['pk']['S']} {sk}".encode()) % len(self.shards)
        self.shards[shard].add(record)
