"""The keys of the table (docs/data-model.md). Each key holds the tenant, so that no read crosses tenants."""

from __future__ import annotations

import hashlib

TASK = "TASK"
WORKFLOW = "WORKFLOW"
PAYLOAD = "PAYLOAD#"
RESULT = "RESULT#"
DEFINITION = "DEFINITION#"
SCHEDULED_WORKFLOW = "SCHEDULED#"
DEPENDENT = "DEPENDENT#"
EFFECT = "EFFECT#"
NOTIFICATION = "NOTIFICATION#"

Key = dict[str, dict[str, str]]


def task_partition(tenant: str, task_id: str) -> str:
    return f"TASK#{tenant}#{task_id}"


def task_key(tenant: str, task_id: str, sort: str = TASK) -> Key:
    return {"pk": {"S": task_partition(tenant, task_id)}, "sk": {"S": sort}}


def tenant_and_task_id(pk: str) -> tuple[str, str]:
    """Splits `TASK#<tenant>#<id>`. A tenant may contain `#`, an id never does."""
    tenant, _, task_id = pk.removeprefix("TASK#").rpartition("#")
    return tenant, task_id


def shard_of(task_id: str, shards: int) -> int:
    """The number of the shard, of a tenant's `shards`, that lists a task: evenly spread, and always the same."""
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
    """The only item that belongs to no tenant: the changes of all tenants' counts by one batch of the stream. All
    journal items have one partition key, so that one batch of the stream delivers the entries of many shards."""
    return {"pk": {"S": "JOURNAL"}, "sk": {"S": f"{JOURNAL_BATCH}{stream_shard}"}}


def run_key(tenant: str, run: str) -> Key:
    return {"pk": {"S": f"WORKFLOW#{tenant}#{run}"}, "sk": {"S": WORKFLOW}}


def tenant_and_run(pk: str) -> tuple[str, str]:
    """Splits `WORKFLOW#<tenant>#<run>`."""
    tenant, _, run = pk.removeprefix("WORKFLOW#").rpartition("#")
    return tenant, run


def tally_key(tenant: str, run: str, round_: int, level: int, number: int) -> Key:
    """Each tally has a partition of its own: 10,000 nodes that end at once are counted in 250 partitions."""
    return {"pk": {"S": f"TALLY#{tenant}#{run}#{round_}#{level}.{number}"}, "sk": {"S": "TALLY"}}


JOIN = "JOIN"
QUOTA = "QUOTA"


def quota_key(tenant: str) -> Key:
    """What a tenant has submitted of late, for its quotas."""
    return {"pk": {"S": f"QUOTA#{tenant}"}, "sk": {"S": QUOTA}}


def bulk_answer_key(tenant: str, route: str, key: str) -> Key:
    """`key`: an idempotency key, with any characters."""
    return {"pk": {"S": f"ANSWER#{tenant}#{route}#{hashlib.sha256(key.encode()).hexdigest()}"}, "sk": {"S": "ANSWER"}}


def run_listing_partition(tenant: str, number: int) -> str:
    return f"LISTRUN#{tenant}#{number}"


SCHEDULE = "SCHEDULE"
FIRINGS = "FIRINGS"


def schedule_key(tenant: str, schedule: str, sort: str = SCHEDULE) -> Key:
    """Firings write to the item `FIRINGS`. It is apart from what the owner writes, and small whatever the template's
    size."""
    return {"pk": {"S": f"SCHEDULE#{tenant}#{schedule}"}, "sk": {"S": sort}}


def tenant_and_schedule(pk: str) -> tuple[str, str]:
    """Splits `SCHEDULE#<tenant>#<schedule>`."""
    tenant, _, schedule = pk.removeprefix("SCHEDULE#").rpartition("#")
    return tenant, schedule


def audit_partition(tenant: str) -> str:
    """One partition per tenant: it takes 1,000 records a second, far more than people and their tools do by hand."""
    return f"AUDIT#{tenant}"


def audit_sort_key(at: int, request_id: str) -> str:
    """Begins with a digit, which no sort key does that the observer reads."""
    return f"{at:013d}#{request_id}"


def schedule_listing_partition(tenant: str, number: int) -> str:
    return f"LISTSCHEDULE#{tenant}#{number}"
