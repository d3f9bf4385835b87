"""Listings of a tenant's tasks, newest first: the shards of an index merged, the records read in batches."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from functions.core.task import Task
from functions.store import keys
from functions.store.records import string_value
from functions.store.tasks import TaskStore

BATCH_GET_LIMIT = 100
"""AWS: BatchGetItem takes at most 100 keys."""


@dataclass(frozen=True)
class ListingIndex:
    """An index of the table: its name, its key attributes, and the partition of a tenant's shard."""

    name: str
    pk: str
    sk: str
    partition: Callable[[str, int], str]


BY_SUBMIT_TIME = ListingIndex("listing", "listPk", "listSk", keys.listing_partition)
"""By time of submit."""
DEAD_LETTERS = ListingIndex("deadLetters", "deadPk", "deadSk", keys.dead_letter_partition)
"""FAILED and DEAD, by the time of their end."""


@dataclass(frozen=True)
class TaskPage:
    """`after`: where the next page begins; None on the last page. A page that is not the last may be short or empty:
    the search stops after `read_limit` records, however few of them match."""

    tasks: list[Task]
    after: str | None


@dataclass(frozen=True)
class Listings:
    """Eventually consistent, as every index is: a task appears within moments of its submit."""

    tasks: TaskStore
    index: ListingIndex = BY_SUBMIT_TIME

    def page(
        self,
        tenant: str,
        *,
        limit: int,
        after: str | None,
        read_limit: int,
        matches: Callable[[Task], bool] | None,
        since: int = 0,
    ) -> TaskPage:
        """Up to `limit` tasks that sort below `after` and that `matches` accepts (None: all), out of at most
        `read_limit` records. `since`: epoch ms; older tasks are left out."""
        matching: list[Task] = []
        # Without a filter each record is in the page; the extra key tells whether there is a next page.
        batch = limit if matches is None else BATCH_GET_LIMIT
        positions = self.positions(tenant, after=after, page_size=batch + 1, since=since)
        upcoming = next(positions, None)
        read = 0
        while upcoming is not None and read < read_limit:
            ahead = min(batch, read_limit - read)
            chunk = [upcoming, *islice(positions, ahead - 1)]
            upcoming = next(positions, None)
            read += len(chunk)
            records = self.tasks.get_by_ids(tenant, (task_id_of_position(position) for position in chunk))
            for at, position in enumerate(chunk):
                task = records.get(task_id_of_position(position))
                # None: TTL removed the record, and the index is about to follow.
                if task is None or not (matches is None or matches(task)):
                    continue
                matching.append(task)
                if len(matching) == limit:
                    more = at + 1 < len(chunk) or upcoming is not None
                    return TaskPage(matching, position if more else None)
            last = chunk[-1]
        return TaskPage(matching, last if upcoming is not None else None)

    def positions(self, tenant: str, *, after: str | None, page_size: int, since: int = 0) -> Iterator[str]:
        """Sort keys `time#id` of all shards, newest first. Each shard is read page by page, as needed."""
        shards = [
            self._read_shard(tenant, number, after=after, page_size=page_size, since=since)
            for number in range(self.tasks.shards)
        ]
        return heapq.merge(*shards, reverse=True)

    def _read_shard(self, tenant: str, number: int, *, after: str | None, page_size: int, since: int) -> Iterator[str]:
        index = self.index
        if after is not None and after < f"{since:013d}":
            # There is nothing between the two, and DynamoDB refuses a BETWEEN with the larger value first.
            return
        # DynamoDB takes one condition on the sort key: BETWEEN, both ends included.
        items = self.tasks.index_entries(
            index.name,
            f"{index.pk} = :pk AND {index.sk} BETWEEN :since AND :after",
            {
                ":pk": string_value(index.partition(tenant, number)),
                ":since": string_value(f"{since:013d}"),
                ":after": string_value(after or "~"),
            },
            page_size=page_size,
        )
        for item in items:
            if item[index.sk]["S"] != after:
                yield item[index.sk]["S"]


def task_id_of_position(position: str) -> str:
    return position.rpartition("#")[2]
