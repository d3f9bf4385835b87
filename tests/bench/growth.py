"""What must not grow: the cost of a task with its payload, or with how many tasks are stored already."""

from __future__ import annotations

import copy
import itertools
import time
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType

from local.aws import moto_backends
from tests.bench.contenders import Contender, taskyard
from tests.bench.processes import running
from tests.bench.rounds import QUIET_SECONDS, finish, per_task, standing_still, warm_up
from tests.bench.server import Server

PAYLOADS = (100, 1_000, 100_000)
"""Bytes."""
STORED = (100, 100_000)
QUICK_STORED = (100, 5_000)


def costs(server: Server, contender: Contender, tasks: int, *, filler: int = 0, stored: int = 0) -> dict[str, Any]:
    """Per task, with `stored` settled tasks in the table before the first of them."""
    server.forget()
    contender.prepare(server)
    with running(*contender.workers(server), contender.producer(server)) as [*workers, producer]:
        producer.answer(60)
        warm_up(server, contender, workers, producer)
        seconds = fill(server, stored) if stored else 0.0
        server.counting.reset()
        ids = [f"g{at}" for at in range(tasks)]
        began = time.monotonic()
        with standing_still(workers):
            producer.order(300, ids=ids, filler="x" * filler)
        came = finish(server, contender, workers, ids, 300)
        took = time.monotonic() - began - QUIET_SECONDS
        tally = server.counting.of(contender.name, *contender.own)
    return {"finished": came, "seconds": took, "fillSeconds": seconds, **per_task(tally, tasks)}


def fill(server: Server, count: int) -> float:
    """Settled tasks, written into moto's own table: a hundred thousand through its API would take an hour. They share
    the attributes of one real record; keys and listing are their own."""

    async def write() -> None:
        table = next(
            table for name, table in moto_backends.backend("dynamodb").tables.items() if name.startswith("Taskyard-")
        )
        pattern = next(
            item
            for partition in table.items.values()
            for item in partition.values()
            if item.range_key == DynamoType({"S": "TASK"})
        )
        tenant = pattern.attrs["pk"].value.split("#")[1]
        for at in itertools.islice(itertools.count(), count):
            item = copy.copy(pattern)
            key = DynamoType({"S": f"TASK#{tenant}#stored{at:020d}"})
            item.attrs = copy.copy(pattern.attrs)
            dict.__setitem__(item.attrs, "pk", key)
            dict.__setitem__(item.attrs, "listSk", DynamoType({"S": f"{at:013d}#stored{at:020d}"}))
            item.hash_key = key
            table.items[key][pattern.range_key] = item

    began = time.monotonic()
    server.system.run(write())
    return time.monotonic() - began


def payloads(server: Server, tasks: int) -> dict[str, Any]:
    return {str(size): costs(server, taskyard(1), tasks, filler=size) for size in PAYLOADS}


def stored(server: Server, tasks: int, counts: tuple[int, ...] = STORED) -> dict[str, Any]:
    return {str(count): costs(server, taskyard(1), tasks, stored=count) for count in counts}
