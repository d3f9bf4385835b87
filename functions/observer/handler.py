"""Entry point of the observer: the table's stream in, read models out."""

from __future__ import annotations

import os
from functools import cache, partial
from typing import Any

from functions.aws.clients import client
from functions.observer.observe import Observer
from functions.runtime.settings import ObserverSettings
from functions.store.counters import Counters
from functions.store.leftovers import Leftovers
from functions.store.table import Table


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: DynamoDB stream records (events/observer/). Returns `batchItemFailures`: the first that is to come
    again, with all that follow it, or none."""
    again = assembled().observe(event["Records"])
    return {"batchItemFailures": [] if again is None else [{"itemIdentifier": again}]}


@cache
def assembled() -> Observer:
    settings = ObserverSettings.from_env(os.environ)
    # Not through runtime/wiring.py, which imports what the other functions are made of.
    table = Table(client("dynamodb"), settings.table_name)
    return Observer(
        counters=Counters(table),
        leftovers=Leftovers(table, settings.document_bucket, partial(client, "s3")),
        shards=settings.listing_shards,
    )
