"""What a contender costs, counted at the server from the requests themselves: calls by operation, capacity units."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.utilities import dynamo_json_dump

from local.aws import moto_backends
from local.aws.calls import AwsCall
from local.aws.capacity import SecondaryIndex, item_bytes, write_units
from local.http_server import Response

WRITES = ("PutItem", "UpdateItem", "DeleteItem")
SETUP = frozenset(
    {"CreateQueue", "ListQueues", "GetQueueUrl", "GetQueueAttributes", "CreateTable", "DescribeTable", "TagQueue"}
)
"""Calls that a process makes once, or that find the queue: counted, shown apart from the calls per task."""


@dataclass
class Tally:
    """Of one caller. `calls` by `service.Operation`; empty receives, which cost what a queue costs that is merely
    watched, apart. `writes`: units by kind of item (the head of its sort key, or the table's name)."""

    calls: Counter[str] = field(default_factory=Counter)
    empty_receives: int = 0
    writes: Counter[str] = field(default_factory=Counter)
    read_units: float = 0.0
    last: float = 0.0
    """time.monotonic() when the last call was answered that was not an empty receive."""
    polled: float = 0.0
    """time.monotonic() when the last receive was answered, empty or not."""

    @property
    def write_units(self) -> int:
        return self.writes.total()

    def add(self, other: Tally) -> None:
        self.calls += other.calls
        self.empty_receives += other.empty_receives
        self.writes += other.writes
        self.read_units += other.read_units
        self.last = max(self.last, other.last)
        self.polled = max(self.polled, other.polled)


Fault = Callable[[str, AwsCall], Response | None]


@dataclass
class Counting:
    """The tap of a LocalSystem. `fault` may answer a call in moto's place."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    fault: Fault | None = None
    faults: Counter[str] = field(default_factory=Counter)

    def __call__(self, caller: str, call: AwsCall, answer: Callable[[], Response]) -> Response:
        if self.fault is not None and (refused := self.fault(caller, call)) is not None:
            self.faults[caller] += 1
            return refused
        tally = self.tallies.setdefault(caller, Tally())
        writes = call.service == "dynamodb" and call.operation in WRITES
        before = _stored(call) if writes else None
        response = answer()
        if call.operation == "ReceiveMessage":
            tally.polled = time.monotonic()
            if b'"Body"' not in response.body:
                tally.empty_receives += 1
                return response
        tally.last = time.monotonic()
        tally.calls[f"{call.service}.{call.operation}"] += 1
        if writes:
            self._count_write(tally, call, before, response)
        elif call.service == "dynamodb" and response.status == 200:
            tally.read_units += read_units(call, response)
        return response

    def of(self, *callers: str) -> Tally:
        """The sum over callers; those that never called count nothing."""
        total = Tally()
        for caller in callers:
            if caller in self.tallies:
                total.add(self.tallies[caller])
        return total

    def reset(self) -> None:
        self.tallies.clear()
        self.faults.clear()

    @staticmethod
    def _count_write(tally: Tally, call: AwsCall, before: Any, response: Response) -> None:
        if response.status == 200:
            units = write_units(before, _stored(call), _indexes(call))
        elif b"ConditionalCheckFailed" in response.body:
            units = write_units(before, None)  # refused: costs what the item weighs
        else:
            return
        tally.writes[kind_of(call)] += units


def read_units(call: AwsCall, response: Response) -> float:
    """4 KB a unit, half for an eventually consistent read; at least one a request, in a batch one an item."""
    answer, p = json.loads(response.body), call.parameters
    if call.operation == "BatchGetItem":
        return sum(
            _read(item_bytes(item), bool(p["RequestItems"][table].get("ConsistentRead")))
            for table, items in answer.get("Responses", {}).items()
            for item in items
        )
    if call.operation not in ("GetItem", "Query", "Scan"):
        return 0.0
    items = answer.get("Items") or [answer.get("Item")]
    return _read(sum(map(item_bytes, items)), bool(p.get("ConsistentRead")))


def _read(size: int, consistent: bool) -> float:
    return max(1, -(-size // 4096)) * (1.0 if consistent else 0.5)


def kind_of(call: AwsCall) -> str:
    """`TASK`, `PAYLOAD`, `SHARD` … of Taskyard's table, else the table's name."""
    keys = call.parameters.get("Key") or call.parameters["Item"]
    return str(keys["sk"]["S"]).partition("#")[0] if "sk" in keys else str(call.parameters["TableName"])


def _stored(call: AwsCall) -> Any:
    """The item that a write is about, as it is stored now, in wire format; None when there is none."""
    table = moto_backends.backend("dynamodb").tables.get(call.parameters["TableName"])
    if table is None:
        return None
    keys = call.parameters.get("Key") or call.parameters["Item"]
    found = table.items.get(DynamoType(keys[table.hash_key_attr]))
    if found is not None and table.range_key_attr:
        found = found.get(DynamoType(keys[table.range_key_attr]))
    return None if found is None else json.loads(dynamo_json_dump(found.attrs))


def _indexes(call: AwsCall) -> tuple[SecondaryIndex, ...]:
    table = moto_backends.backend("dynamodb").tables[call.parameters["TableName"]]
    return tuple(
        SecondaryIndex(
            tuple(index.schema_key_attrs),
            None
            if index.projection["ProjectionType"] == "ALL"
            else frozenset([*table.table_key_attrs, *index.schema_key_attrs]),
        )
        for index in table.global_indexes
    )
