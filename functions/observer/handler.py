"""Entry point of the observer: the table's stream in, read models out."""

from __future__ import annotations

import os
from functools import cache, partial
from typing import Any

from functions.aws.clients import client
from functions.observer.observation import Observer
from functions.runtime.environment import ObserverEnvironment
from functions.store.counters import Counters
from functions.store.leftovers import Leftovers
from functions.store.table import Table

ONLY_SHARD = "only"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: records of one stream shard (events/observer/). Returns `batchItemFailures`: the first that is to come
    again, with all that follow it, or none.

    In a tumbling window, because Lambda tells only there which shard it is. Nothing is kept in the window's `state`,
    but to Lambda an answer without one is an error. At the window's end it calls once more, with or without records.
    Emulators without windows have streams of one shard, and name none.
    """
    again = services().observe(event["Records"], stream_shard=event.get("shardId", ONLY_SHARD))
    return {"state": {}, "batchItemFailures": [] if again is None else [{"itemIdentifier": again}]}


@cache
def services() -> Observer:
    environment = ObserverEnvironment.from_env(os.environ)
    # Not through runtime/wiring.py, which imports what the other functions are made of.
    table = Table(client("dynamodb"), environment.table_name)
    return Observer(
        counters=Counters(table),
        leftovers=Leftovers(table, environment.document_bucket, partial(client, "s3")),
    )
