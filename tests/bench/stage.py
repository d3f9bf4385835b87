"""A contender at work, for something to break, and what can be said of its tasks afterwards."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local.aws import moto_backends
from tests.bench.contenders import Contender
from tests.bench.processes import Process, wait_until
from tests.bench.server import Server
from tests.bench.watching import Notes, Seen, Supervisor, Watch, duration

Row = dict[str, Any]
SETTLED = {"FAILED", "DEAD", "CANCELLED", "SKIPPED"}
"""States of Taskyard's in which a task is given up, and its record says so."""


@dataclass(frozen=True)
class Stage:
    """`submit` goes through the contender's own producer; its workers are kept running."""

    server: Server
    contender: Contender
    producer: Process
    supervisor: Supervisor

    def submit(self, ids: list[str], **fields: Any) -> list[str]:
        """Those that were accepted: of the others the caller was told that they were not."""
        self.producer.send(ids=ids, **fields)
        return self.accepted()

    def accepted(self) -> list[str]:
        return [task for task, _ in self.producer.answer(120)["sent"]]

    def watch(self, done: Callable[[Notes], bool], **limits: Any) -> Seen:
        return Watch(self.server, self.contender, self.supervisor, done, **limits).run()

    def row(self, what: str, ids: list[str], seen: Seen, note: str = "") -> Row:
        """`lost`: neither done nor kept anywhere. `again`: begun more than once. `givenUp`: not done, and recorded as
        such. `stuck`: neither done nor given up, though something still knows of them."""
        missing = sum(not seen.notes.ends[task] for task in ids)
        given_up, waiting = self.left()
        given_up = min(missing, given_up)
        stuck = min(missing - given_up, waiting)
        if seen.cut and missing - given_up:
            note = "; ".join(filter(None, (note, "still at it when the watch ended")))
        return {
            "what": what,
            "who": self.contender.title,
            "tasks": len(ids),
            "lost": missing - given_up - stuck,
            "again": sum(seen.notes.starts[task] > 1 for task in ids),
            "stuck": stuck,
            "givenUp": given_up,
            "recovery": None if stuck else duration(seen.seconds),
            "note": note,
        }

    def left(self) -> tuple[int, int]:
        """How many tasks are recorded as given up, and how many still wait: in Taskyard's records; in Celery's results
        and in the queues; in dramatiq's dead-letter queue and in the others."""
        if self.contender.through_local:
            states = record_states(self.server)
            given_up = sum(states[state] for state in SETTLED)
            return given_up, states.total() - states["SUCCESS"] - given_up
        queues = {name: len(queue._messages) for name, queue in self._queues().items()}
        dead = sum(count for name, count in queues.items() if name.endswith("_dlq"))
        return dead + self._failures(), sum(queues.values()) - dead

    def _failures(self) -> int:
        """Of Celery's results, which are JSON."""
        results = scanned(self.server, self.contender.name) if self.contender.name.startswith("celery") else []
        return sum(json.loads(item["result"]["B"])["status"] == "FAILURE" for item in results)

    def _queues(self) -> dict[str, Any]:
        queues = moto_backends.backend("sqs").queues
        return {name: queue for name, queue in list(queues.items()) if name.startswith(self.contender.queues)}


def record_states(server: Server) -> Counter[str]:
    """How many tasks Taskyard's table has in each state."""
    items = scanned(server, server.function("api").environment["TABLE_NAME"])
    return Counter(item["state"]["S"] for item in items if item["sk"]["S"] == "TASK")


def scanned(server: Server, table: str) -> list[dict[str, Any]]:
    pages = server.system.aws("dynamodb").get_paginator("scan").paginate(TableName=table)
    return [item for page in pages for item in page["Items"]]


@contextlib.contextmanager
def stage(server: Server, contender: Contender) -> Iterator[Stage]:
    """Empty queues and tables, and one task run already."""
    server.forget()
    contender.prepare(server)
    supervisor = Supervisor(server, contender)
    producer = Process(contender.producer(server))
    try:
        producer.answer(60)
        made = Stage(server, contender, producer, supervisor)
        made.submit(["warm"], what="sleep", seconds=0.01)
        wait_until(lambda: Notes.read(server).ends["warm"], 60)
        time.sleep(1)
        yield made
    finally:
        server.counting.fault = None
        producer.kill()
        producer.stop()
        supervisor.close()
