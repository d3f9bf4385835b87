"""POST /tasks/cancel: cancels by ids or by a filter; with `dryRun` it only counts."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.api.bulk_requests import TIME_LIMIT_MS
from functions.api.paging import list_cursor, list_position
from functions.api.tasks.changes import TaskChanges
from functions.api.tasks.requests import CancelTasks
from functions.api.validation import parse_fields
from functions.core.errors import FieldError, InvalidRequest, NotAllowedInState, TaskyardError
from functions.core.states import CANCELLABLE, State
from functions.core.task import Task
from functions.runtime.parallel import map_parallel
from functions.store.listings import Listings

if TYPE_CHECKING:
    from functions.api.tasks import schemas

logger = logging.getLogger("taskyard.api")

RECORDS_READ_LIMIT = 1000
"""Records that one request by filter reads at most, half a read unit each."""
PAGE_SIZE = 100
"""Records that are read and cancelled before the time is looked at again."""


@dataclass
class Progress:
    """Of one request, so far. `refused`: id and reason of each task that was not cancelled."""

    matched: int = 0
    cancelled: list[str] = field(default_factory=list)
    refused: list[schemas.CancelRefusal] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BulkCancel:
    """`canonical_type`: any name of a task type → the name that records have. `clock`: epoch ms."""

    changes: TaskChanges
    listings: Listings
    canonical_type: Callable[[str], str]
    clock: Callable[[], int]

    def cancel(self, tenant: str, body: Mapping[str, Any], *, by: str) -> schemas.CancelAnswer:
        """By filter: newest first; the cursor of the answer continues where a limit of time or records ended it."""
        started_at = self.clock()
        request = parse_fields(CancelTasks, body, started_at)
        has_filter = request.type or request.state or request.tags
        if bool(request.ids) == bool(has_filter):
            # Neither ids nor a filter would cancel every task: a request must not do that by an omission.
            raise InvalidRequest([FieldError("ids", "give either this, or at least one of type, state, tags")])
        progress = Progress()
        after = None
        if request.ids:
            ids = dict.fromkeys(request.ids)
            tasks = self.changes.tasks.get_by_ids(tenant, ids)
            progress.refused += [{"id": each, "reason": "no such task"} for each in ids if each not in tasks]
            self._cancel_page([tasks[each] for each in ids if each in tasks], request, progress)
        else:
            after = self._cursor_position(tenant, request)
            for _ in range(0, RECORDS_READ_LIMIT, PAGE_SIZE):
                page = self.listings.page(
                    tenant,
                    limit=PAGE_SIZE,
                    after=after,
                    read_limit=PAGE_SIZE,
                    matches=self._predicate(request, started_at),
                )
                self._cancel_page(page.tasks, request, progress)
                after = page.after
                if after is None or self.clock() - started_at > TIME_LIMIT_MS:
                    break
        if not request.dry_run:
            extra = {"by": by, "cancelled": len(progress.cancelled), "reason": request.reason}
            logger.info("cancelled many", extra=extra)
        return {
            "matched": progress.matched,
            "cancelled": progress.cancelled,
            "refused": progress.refused,
            "dryRun": request.dry_run,
            "cursor": None if after is None else list_cursor(after, filter_digest(tenant, request)),
        }

    def _cancel_page(self, tasks: Sequence[Task], request: CancelTasks, progress: Progress) -> None:
        def cancel_one(task: Task) -> None:
            if not request.dry_run:
                self.changes.cancel(task.tenant, task.id, reason=request.reason)
            elif task.state not in CANCELLABLE and task.state is not State.CANCELLED:
                raise NotAllowedInState("task", task.id, "cancel", task.state)

        progress.matched += len(tasks)
        for task, error in zip(tasks, map_parallel(cancel_one, tasks), strict=True):
            if error is None:
                progress.cancelled.append(task.id)
            elif isinstance(error, TaskyardError):
                progress.refused.append({"id": task.id, "reason": str(error)})
            else:
                raise error

    def _predicate(self, request: CancelTasks, now: int) -> Callable[[Task], bool]:
        name = None if request.type is None else self.canonical_type(request.type)
        tags = (request.tags or {}).items()
        return lambda task: (
            task.state in CANCELLABLE
            and (name is None or task.type == name)
            and (request.state is None or task.state_at(now) == request.state)
            and tags <= task.tags.items()
        )

    def _cursor_position(self, tenant: str, request: CancelTasks) -> str | None:
        """The position after which the first page starts."""
        if not request.cursor:
            return None
        after, digest = list_position(request.cursor)
        if after is None or digest != filter_digest(tenant, request):
            raise InvalidRequest([FieldError("cursor", "is not one that this API has given for this filter")])
        return after


def filter_digest(tenant: str, request: CancelTasks) -> str:
    fields = (tenant, request.type, request.state, sorted((request.tags or {}).items()))
    return hashlib.blake2b(repr(fields).encode(errors="replace"), digest_size=6).hexdigest()
