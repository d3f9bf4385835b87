"""The keys of the table (docs/data-model.md). The tenant is in each of its keys: nobody reads another's by mistake."""

from __future__ import annotations

import hashlib

TASK = "TASK"
WORKFLOW = "WORKFLOW"
PAYLOAD = "PAYLOAD#"
RESULT = "RESULT#"
DEFINITION = "DEFINITION#"
DEPENDENT = "DEPENDENT#"
EFFECT = "EFFECT#"
NOTIFICATION = "NOTIFICATION#"

Key = dict[str, dict[str, str]]


def task_partition(tenant: str, task_id: str) -> str:
    return f"TASK#{tenant}#{task_id}"


def task_key(tenant: str, task_id: str, sort: str = TASK) -> Key:
    return {"pk": {"S": task_partition(tenant, task_id)}, "sk": {"S": sort}}


def tenant_and_task_id(pk: str) -> tuple[str, str]:
    """Of `TASK#<tenant>#<id>`. A tenant may hold `#`, an id never does."""
    tenant, _, task_id = pk.removeprefix("TASK#").rpartition("#")
    return tenant, task_id


def shard_of(task_id: str, shards: int) -> int:
    """Which of a tenant's `shards` a task is listed in: even, and the same for ever."""
    return int.from_bytes(hashlib.blake2b(task_id.encode(), digest_size=4).digest()) % shards


def listing_partition(tenant: str, number: int) -> str:
    return f"LIST#{tenant}#{number}"


def dead_letter_partition(tenant: str, number: int) -> str:
    return f"DEAD#{tenant}#{number}"


def undeliverable_partition(tenant: str, number: int) -> str:
    return f"UNDELIVERED#{tenant}#{number}"


def time_sort_key(at: int, task_id: str) -> str:
    """Sorts by time, then id. 13 digits of epoch ms last until the year 2286."""
    return f"{at:013d}#{task_id}"


def counter_key(tenant: str) -> Key:
    return {"pk": {"S": f"COUNTER#{tenant}"}, "sk": {"S": "COUNTER"}}


JOURNAL_BATCH = "BATCH#"


def journal_key(stream_shard: str) -> Key:
    """The one kind of item that is no tenant's: what a batch of the stream changed, in all of their counts. One
    partition key for all of them, so that one batch of the stream holds what many of its shards' batches have noted."""
    return {"pk": {"S": "JOURNAL"}, "sk": {"S": f"{JOURNAL_BATCH}{stream_shard}"}}


def run_key(tenant: str, run: str) -> Key:
    return {"pk": {"S": f"WORKFLOW#{tenant}#{run}"}, "sk": {"S": WORKFLOW}}


def tenant_and_run(pk: str) -> tuple[str, str]:
    """Of `WORKFLOW#<tenant>#<run>`."""
    tenant, _, run = pk.removeprefix("WORKFLOW#").rpartition("#")
    return tenant, run


def tally_key(tenant: str, run: str, round_: int, level: int, number: int) -> Key:
    """A partition of its own each: ten thousand nodes that end at once are counted in 250 places."""
    return {"pk": {"S": f"TALLY#{tenant}#{run}#{round_}#{level}.{number}"}, "sk": {"S": "TALLY"}}


JOIN = "JOIN"


def bulk_answer_key(tenant: str, route: str, key: str) -> Key:
    """`key`: of idempotency, whatever characters it has."""
    return {"pk": {"S": f"ANSWER#{tenant}#{route}#{hashlib.sha256(key.encode()).hexdigest()}"}, "sk": {"S": "ANSWER"}}


def run_listing_partition(tenant: str, number: int) -> str:
    return f"LISTRUN#{tenant}#{number}"


SCHEDULE = "SCHEDULE"
FIRINGS = "FIRINGS"


def schedule_key(tenant: str, schedule: str, sort: str = SCHEDULE) -> Key:
    """`FIRINGS`: what a firing writes, apart from what its owner writes, and small whatever the template weighs."""
    return {"pk": {"S": f"SCHEDULE#{tenant}#{schedule}"}, "sk": {"S": sort}}


def schedule_listing_partition(tenant: str, number: int) -> str:
    return f"LISTSCHEDULE#{tenant}#{number}"
