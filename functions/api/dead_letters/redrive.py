"""The failure desk: what is dead is listed, run again one by one, or by filter and slowly.

Slowly means by due times: the n-th of a redrive is due n / rate seconds from now, and travels as any delayed task
does. Nothing has to keep running, and a redrive that was a mistake can be cancelled while it waits.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from taskyard.tasks.retry import RetryPolicy

from functions.api.dead_letters.requests import DeadLetterFilter, Redrive, RetryTask, read
from functions.api.tasks import listing
from functions.core.errors import (
    ChangedMeanwhile,
    FieldError,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    UnknownTaskType,
)
from functions.core.states import REDRIVE
from functions.core.task import MAX_HORIZON_MS, Task
from functions.core.task_types import Registry
from functions.intake import task_views as views
from functions.intake.submission import keyed_change
from functions.runtime import parallel as many
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.store import keys
from functions.store.listings import Listings
from functions.store.tasks import Answer, TaskStore, Wrote

logger = logging.getLogger("taskyard.api")

PARAMETERS = ("type", "errorType", "since", "until", "limit", "cursor")
LOOKED_AT = 1000
GROUP = 100
TRIES = 4
ENOUGH_MS = 15_000
"""A bulk request stops after this and answers a cursor: API Gateway waits for 30 s."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """`letters`: over the dead-letter index. `clock`: epoch ms."""

    tasks: TaskStore
    letters: Listings
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    clock: Callable[[], int]

    def page(self, parameters: Mapping[str, str], *, tenant: str) -> dict[str, Any]:
        now = self.clock()
        errors = [FieldError(name, "is not a known parameter") for name in parameters if name not in PARAMETERS]
        given = {name: value for name, value in parameters.items() if value and name in PARAMETERS}
        limit = listing.limited(given.pop("limit", None))
        if limit is None:
            errors.append(FieldError("limit", f"must be a whole number from 1 to {listing.MAX_LIMIT}"))
        token = given.pop("cursor", None)
        wanted = None
        try:
            wanted = read(DeadLetterFilter, given, now)
            errors += in_order(wanted)
        except InvalidRequest as refused:
            errors += refused.errors
        after = None
        if wanted is not None:
            after, _ = self._resume(token, tenant, wanted, errors)
        if errors or wanted is None or limit is None:
            raise InvalidRequest(errors)
        page = self.letters.page(
            tenant,
            limit=limit,
            after=after,
            looked_at=LOOKED_AT,
            wanted=self._fits(wanted),
            since=wanted.since or 0,
        )
        return {
            "tasks": [views.brief(task, now=now) for task in page.tasks],
            "cursor": None if page.after is None else listing.cursor(page.after, f"0.{filter_of(tenant, wanted)}"),
        }

    def retry(self, tenant: str, task_id: str, body: Mapping[str, Any], header: str | None, *, by: str) -> Task:
        """One dead letter, due at once. Raises NotAllowedInState for what is none. `header`: Idempotency-Key as it
        came; the same request under it again runs nothing again."""
        request = read(RetryTask, body, self.clock())
        keyed = keyed_change(header, request)
        for _ in range(TRIES):
            task = self.tasks.get(tenant, task_id)
            if task is None:
                raise NotFound("task", task_id)
            if task.member is not None:
                raise NotAllowedInState("task", task.id, "retry (it is a node: retry its workflow)", task.state)
            if keyed and keyed.is_among((entry.get("mark", "") for entry in task.redriven), id=task.id):
                return task
            if task.state not in REDRIVE:
                raise NotAllowedInState("task", task.id, "retry", task.state)
            now = self.clock()
            self.dispatcher.dispatch_next_generation([replace(task, available_at=now)], now=now)
            mark = keyed.mark if keyed else None
            answer = self._bring_back(task, at=now, attempts=request.attempts, by=by, now=now, mark=mark)
            if isinstance(answer, Wrote):
                return answer.task
        raise ChangedMeanwhile("task", task_id)

    def redrive(self, tenant: str, body: Mapping[str, Any], *, by: str) -> dict[str, Any]:
        """A page of dead letters at a time, newest first; `cursor` goes on where time or limit ended it."""
        began = self.clock()
        request = read(Redrive, body, began)
        errors = in_order(request)
        after, slot = self._resume(request.cursor, tenant, request, errors)
        start = max(began, slot)
        if start + request.limit * 1000 / request.rate_per_second > began + MAX_HORIZON_MS:
            errors.append(FieldError("ratePerSecond", "is so slow that the last would be due in more than 5 years"))
        if errors:
            raise InvalidRequest(errors)
        matched = redriven = slots = 0
        last = None

        def due(slot: int) -> int:
            return start + round(slot * 1000 / request.rate_per_second)

        while True:
            page = self.letters.page(
                tenant,
                limit=min(GROUP, request.limit - matched),
                after=after,
                looked_at=LOOKED_AT,
                wanted=self._fits(request),
                since=request.since or 0,
            )
            # A node's run counts its nodes: it is the run that is retried. They take no due time.
            ready = [task for task in page.tasks if task.member is None]
            pairs = [(task, due(slots + at)) for at, task in enumerate(ready)]
            slots += len(pairs)
            if pairs:
                last = pairs[-1][1]
            done = Group() if request.dry_run else self._run_again(pairs, request, by)
            redriven += done.written
            if done.trouble is not None:
                if after is None or not redriven:
                    # The same request again finds what is left: what was written is no dead letter any more.
                    raise done.trouble
                # This page once more, by the cursor.
                matched += done.written
                break
            matched += len(page.tasks)
            after = page.after
            if after is None or matched >= request.limit or self.clock() - began > ENOUGH_MS:
                break
        upcoming = 0 if request.dry_run else due(slots)
        if not request.dry_run:
            logger.info("redriven", extra={"by": by, "matched": matched, "redriven": redriven})
        return {
            "matched": matched,
            "redriven": redriven,
            "skipped": matched - (slots if request.dry_run else redriven),
            "dryRun": request.dry_run,
            "cursor": None if after is None else listing.cursor(after, f"{upcoming}.{filter_of(tenant, request)}"),
            "lastDue": views.written(last),
        }

    def _run_again(self, pairs: Sequence[tuple[Task, int]], request: Redrive, by: str) -> Group:
        """Tasks with their due times. Message before record, as ever: what cannot be announced is not written."""
        now = self.clock()
        announced = many.dispatch_many(self.dispatcher, [replace(task, available_at=at) for task, at in pairs], now=now)
        trouble = [error for error in announced if error is not None]

        def write(pair: tuple[Task, int]) -> bool:
            task, at = pair
            return isinstance(self._bring_back(task, at=at, attempts=request.attempts, by=by, now=now), Wrote)

        ready = [pair for pair, error in zip(pairs, announced, strict=True) if error is None]
        outcomes = many.map_parallel(write, ready)
        trouble += [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        return Group(sum(outcome is True for outcome in outcomes), trouble[0] if trouble else None)

    def _bring_back(
        self, task: Task, *, at: int, attempts: int | None, by: str, now: int, mark: str | None = None
    ) -> Answer:
        """What its end owes to others is done first: who was to do it may have died, and the wake-up that would have
        done it again finds the task alive."""
        self.consequences.run(task)
        return self.tasks.redrive(task, at=at, attempts=attempts or self._attempts(task), by=by, now=now, mark=mark)

    def _attempts(self, task: Task) -> int:
        try:
            return self.registry().find(task.type).retry.max_attempts
        except UnknownTaskType:
            return RetryPolicy().max_attempts

    def _fits(self, wanted: DeadLetterFilter) -> Callable[[Task], bool]:
        """The index may still show what was redriven a moment ago: the record decides."""
        name = wanted.type
        if name is not None:
            try:
                name = self.registry().find(name).name
            except UnknownTaskType:
                name = wanted.type
        return lambda task: (
            task.state in REDRIVE
            and (name is None or task.type == name)
            and (wanted.error_type is None or last_error(task) == wanted.error_type)
        )

    def _resume(
        self, token: str | None, tenant: str, wanted: DeadLetterFilter, errors: list[FieldError]
    ) -> tuple[str | None, int]:
        """Where to go on, and the next free due time (0: none was given)."""
        if not token:
            return (None if wanted.until is None else keys.time_sort(wanted.until, "")), 0
        after, rest = listing.position(token)
        slot, _, digest = rest.partition(".")
        if after is None or not re.fullmatch(r"[0-9]{1,15}", slot):
            errors.append(FieldError("cursor", "is not one that this API has given"))
            return None, 0
        if digest != filter_of(tenant, wanted):
            errors.append(FieldError("cursor", "belongs to a list with another filter"))
        return after, int(slot)


@dataclass(frozen=True)
class Group:
    """`written`: of a page, how many were. `trouble`: what kept another from being written, for now."""

    written: int = 0
    trouble: Exception | None = None


def in_order(wanted: DeadLetterFilter) -> list[FieldError]:
    if wanted.since is None or wanted.until is None or wanted.since < wanted.until:
        return []
    return [FieldError("until", "must be later than since")]


def last_error(task: Task) -> str | None:
    return task.history[-1].error_type if task.history else None


def filter_of(tenant: str, wanted: DeadLetterFilter) -> str:
    meant = (tenant, wanted.type, wanted.error_type, wanted.since, wanted.until)
    return hashlib.blake2b(repr(meant).encode(errors="replace"), digest_size=6).hexdigest()
