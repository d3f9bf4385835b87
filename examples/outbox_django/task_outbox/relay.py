"""Tasks that are submitted if, and only if, a transaction commits.

`enqueue` writes a row in the application's transaction. After the commit the task is submitted with the key of the row,
and the row is deleted. A process that ends before the deletion leaves the row: the next sweep submits it again, with
the same key, which is the same task.
"""

import functools
import json
import logging
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from taskyard import Backoff, InvalidRequest, Taskyard, TooLarge

from task_outbox.models import OutboxTask

log = logging.getLogger(__name__)


@functools.cache
def hasty_yard() -> Taskyard:
    """For requests of users: one attempt of two seconds. What it misses is for the sweep."""
    return Taskyard(timeout=2, backoff=Backoff(tries=1))


def enqueue(task: Mapping[str, Any]) -> uuid.UUID:
    """The task is submitted after the commit of the transaction. Returns its idempotency key.

    task: the body of POST /tasks. Give `runAt`, not `delaySeconds`, which counts from the submit.
    Raises TransactionManagementError outside of `transaction.atomic`: the row would be committed without the rest.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("enqueue needs transaction.atomic")
    row = OutboxTask.objects.create(body=task)
    # robust: an error is logged. The transaction is committed, so its caller must not see one.
    transaction.on_commit(lambda: submit(row.key, hasty_yard()), robust=True)
    return row.key


def submit(key: uuid.UUID, yard: Taskyard) -> None:
    """Raises TaskyardError when the API does not answer or does not accept now: the row stays for the next sweep."""
    rows = OutboxTask.objects.filter(key=key)
    row = rows.first()
    if row is None:
        return  # submitted by another process
    try:
        yard.submit_body(json.dumps(row.body, sort_keys=True).encode(), idempotency_key=str(key))
    except (InvalidRequest, TooLarge) as error:
        log.error("the task %s is refused: %s", key, error)
        rows.update(refusal=str(error))
    else:
        rows.delete()


def sweep(yard: Taskyard, *, older_than: timedelta = timedelta(seconds=30), limit: int = 1000) -> int:
    """Submits what a process left behind, oldest first. Returns the number of rows that were handled. Several sweeps at
    once do no harm: a key is one task, however often it is submitted. Raises TaskyardError, as `submit`."""
    due = OutboxTask.objects.filter(refusal="", created_at__lte=timezone.now() - older_than)
    keys = list(due.order_by("created_at").values_list("key", flat=True)[:limit])
    for key in keys:
        submit(key, yard)
    return len(keys)
