"""POST /tasks/cancel: by ids, or by filter; tried first with `dryRun`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from functions.api import listing
from functions.api.changes import Changes
from functions.api.desk import ENOUGH_MS
from functions.api.desk_requests import CancelTasks, read
from functions.core.errors import ChangedMeanwhile, FieldError, InvalidRequest, NotAllowedInState, TaskNotFound
from functions.core.states import CANCELLABLE
from functions.core.task import Task
from functions.store.listings import Listings

LOOKED_AT = 1000
GROUP = 100


@dataclass(frozen=True, kw_only=True)
class BulkCancel:
    """`canonical`: a task type's name or other name → the one that records have. `clock`: epoch ms."""

    changes: Changes
    listings: Listings
    canonical: Callable[[str], str]
    clock: Callable[[], int]

    def cancel(self, tenant: str, body: Mapping[str, Any]) -> dict[str, Any]:
        began = self.clock()
        request = read(CancelTasks, body, began)
        filtered = request.type or request.state or request.tags
        if bool(request.ids) == bool(filtered):
            # Neither would be everything: too easily meant otherwise.
            raise InvalidRequest([FieldError("ids", "give either this, or at least one of type, state, tags")])
        if request.ids:
            found = self.changes.tasks.get_many(tenant, request.ids)
            refused = [{"id": each, "reason": "no such task"} for each in request.ids if each not in found]
            return self._answer(tenant, list(found.values()), request, cursor=None, refused=refused)
        after = self._resume(tenant, request)
        tasks: list[Task] = []
        looked = 0
        while looked < LOOKED_AT:
            page = self.listings.page(
                tenant, limit=GROUP, after=after, looked_at=GROUP, wanted=self._fits(request, began)
            )
            tasks += page.tasks
            after = page.after
            looked += GROUP
            if after is None or self.clock() - began > ENOUGH_MS:
                break
        cursor = None if after is None else listing.cursor(after, filter_of(tenant, request))
        return self._answer(tenant, tasks, request, cursor=cursor, refused=[])

    def _answer(
        self, tenant: str, tasks: list[Task], request: CancelTasks, *, cursor: str | None, refused: list[dict[str, str]]
    ) -> dict[str, Any]:
        cancelled: list[str] = []

        def one(task: Task) -> tuple[str, str | None]:
            if request.dry_run:
                return task.id, None if task.state in CANCELLABLE else f"it is {task.state}"
            try:
                self.changes.cancel(tenant, task.id, reason=request.reason)
            except (NotAllowedInState, ChangedMeanwhile, TaskNotFound) as error:
                return task.id, str(error)
            return task.id, None

        if tasks:
            with ThreadPoolExecutor(10) as threads:
                for task_id, why_not in threads.map(one, tasks):
                    if why_not is None:
                        cancelled.append(task_id)
                    else:
                        refused.append({"id": task_id, "reason": why_not})
        return {
            "matched": len(tasks),
            "cancelled": cancelled,
            "refused": refused,
            "dryRun": request.dry_run,
            "cursor": cursor,
        }

    def _fits(self, request: CancelTasks, now: int) -> Callable[[Task], bool]:
        name = None if request.type is None else self.canonical(request.type)
        tags = (request.tags or {}).items()
        return lambda task: (
            task.state in CANCELLABLE
            and (name is None or task.type == name)
            and (request.state is None or task.seen_at(now) == request.state)
            and tags <= task.tags.items()
        )

    def _resume(self, tenant: str, request: CancelTasks) -> str | None:
        if not request.cursor:
            return None
        after, digest = listing.position(request.cursor)
        if after is None or digest != filter_of(tenant, request):
            raise InvalidRequest([FieldError("cursor", "is not one that this API has given for this filter")])
        return after


def filter_of(tenant: str, request: CancelTasks) -> str:
    meant = (tenant, request.type, request.state, sorted((request.tags or {}).items()))
    return hashlib.blake2b(repr(meant).encode(errors="replace"), digest_size=6).hexdigest()
