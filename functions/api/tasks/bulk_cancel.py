"""POST /tasks/cancel: by ids, or by filter; tried first with `dryRun`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from functions.api.dead_letters.redrive import ENOUGH_MS
from functions.api.dead_letters.requests import CancelTasks, read
from functions.api.tasks import listing
from functions.api.tasks.changes import Changes
from functions.core.errors import FieldError, InvalidRequest, NotAllowedInState, TaskyardError
from functions.core.states import CANCELLABLE, State
from functions.core.task import Task
from functions.runtime import parallel as many
from functions.store.listings import Listings

logger = logging.getLogger("taskyard.api")

LOOKED_AT = 1000
GROUP = 100


@dataclass
class Done:
    """So far. `refused`: id and reason of each."""

    matched: int = 0
    cancelled: list[str] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BulkCancel:
    """`canonical`: a task type's name or other name → the one that records have. `clock`: epoch ms."""

    changes: Changes
    listings: Listings
    canonical: Callable[[str], str]
    clock: Callable[[], int]

    def cancel(self, tenant: str, body: Mapping[str, Any], *, by: str) -> dict[str, Any]:
        """Newest first where it goes by filter; `cursor` goes on where time or the records looked at ended it."""
        began = self.clock()
        request = read(CancelTasks, body, began)
        filtered = request.type or request.state or request.tags
        if bool(request.ids) == bool(filtered):
            # Neither would be everything: too easily meant otherwise.
            raise InvalidRequest([FieldError("ids", "give either this, or at least one of type, state, tags")])
        done = Done()
        after = None
        if request.ids:
            ids = dict.fromkeys(request.ids)
            found = self.changes.tasks.get_many(tenant, ids)
            done.refused += [{"id": each, "reason": "no such task"} for each in ids if each not in found]
            self._cancel([found[each] for each in ids if each in found], request, done)
        else:
            after = self._resume(tenant, request)
            for _ in range(0, LOOKED_AT, GROUP):
                page = self.listings.page(
                    tenant, limit=GROUP, after=after, looked_at=GROUP, wanted=self._fits(request, began)
                )
                self._cancel(page.tasks, request, done)
                after = page.after
                if after is None or self.clock() - began > ENOUGH_MS:
                    break
        if not request.dry_run:
            extra = {"by": by, "cancelled": len(done.cancelled), "reason": request.reason}
            logger.info("cancelled many", extra=extra)
        return {
            "matched": done.matched,
            "cancelled": done.cancelled,
            "refused": done.refused,
            "dryRun": request.dry_run,
            "cursor": None if after is None else listing.cursor(after, filter_of(tenant, request)),
        }

    def _cancel(self, tasks: Sequence[Task], request: CancelTasks, done: Done) -> None:
        def one(task: Task) -> None:
            if not request.dry_run:
                self.changes.cancel(task.tenant, task.id, reason=request.reason)
            elif task.state not in CANCELLABLE and task.state is not State.CANCELLED:
                raise NotAllowedInState("task", task.id, "cancel", task.state)

        done.matched += len(tasks)
        for task, error in zip(tasks, many.map_parallel(one, tasks), strict=True):
            if error is None:
                done.cancelled.append(task.id)
            elif isinstance(error, TaskyardError):
                done.refused.append({"id": task.id, "reason": str(error)})
            else:
                raise error

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
