"""Entry point of the observer function: reads the stream of the table, updates counts and cleans up after TTL."""

from __future__ import annotations

import os
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from functions.aws.clients import client
from functions.observer.observation import Observer
from functions.runtime.environment import ObserverEnvironment
from functions.runtime.metrics import Metrics
from functions.store.counters import Counters
from functions.store.leftovers import Leftovers
from functions.store.table import Table

if TYPE_CHECKING:
    from functions.observer.open_tasks import OpenTasks

SHARD_WITHOUT_NAME = "only"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: records of one stream shard (events/observer/). Returns `batchItemFailures`: the first record that
    Lambda must deliver again, with all after it, or none.

    The event source uses a tumbling window, because only its events name the shard. The window's `state` stays empty;
    Lambda requires it in the response. At the end of a window Lambda invokes once more, with or without records.
    Emulators without windows have one shard per stream, and do not name it.
    """
    observer = services()
    first_failure = observer.observe(event["Records"], stream_shard=event.get("shardId", SHARD_WITHOUT_NAME))
    observer.metrics.flush(time.time_ns() // 1_000_000)
    return {"state": {}, "batchItemFailures": [] if first_failure is None else [{"itemIdentifier": first_failure}]}


@cache
def services() -> Observer:
    environment = ObserverEnvironment(os.environ)
    # Not through runtime/wiring.py, which imports the modules of all other functions.
    table = Table(client("dynamodb"), environment.table_name)
    return Observer(
        counters=Counters(table),
        leftovers=Leftovers(table, environment.document_bucket, partial(client, "s3")),
        open_tasks=open_tasks(environment, table),
        metrics=Metrics(environment.name),
    )


def open_tasks(environment: ObserverEnvironment, table: Table) -> OpenTasks | None:
    """None: the deployment has no quotas."""
    if environment.quotas is None:
        return None
    from functions.core.quotas import QuotaRules
    from functions.observer.open_tasks import OpenTasks
    from functions.store.quotas import QuotaStore

    return OpenTasks(rules=QuotaRules.from_json(environment.quotas), counters=Counters(table), usage=QuotaStore(table))
