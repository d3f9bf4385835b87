"""Dead letters: list them, retry one, or redrive many by a filter at a given rate.

The rate is kept by due times: the n-th task of a redrive is due n / rate seconds from now, as any delayed task. No
process has to keep running, and a redrive that was a mistake can be cancelled while its tasks wait.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from taskyard.tasks.retry import RetryPolicy

from functions.api.bulk_requests import TIME_LIMIT_MS
from functions.api.dead_letters.requests import DeadLetterFilter, Redrive, RetryTask
from functions.api.paging import OTHER_FILTER, UNKNOWN_CURSOR, limit_of, list_cursor, list_position
from functions.api.request import QueryParameters
from functions.api.validation import parse_fields
from functions.core.errors import (
    ChangedMeanwhile,
    FieldError,
    InvalidRequest,
    NotAllowedInState,
    NotFound,
    UnknownTaskType,
)
from functions.core.states import REDRIVE_TRANSITIONS
from functions.core.task import MAX_RUN_AT_DELAY_MS, Task
from functions.core.task_types import Registry
from functions.core.times import iso_time_or_none
from functions.intake import task_views as views
from functions.intake.idempotency_key import keyed_change
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.parallel import map_parallel
from functions.store import keys
from functions.store.listings import Listings
from functions.store.tasks import Applied, TaskStore, WriteResult

if TYPE_CHECKING:
    from functions.api.dead_letters import schemas
    from functions.api.schemas import TaskList

logger = logging.getLogger("taskyard.api")

RECORDS_READ_LIMIT = 1000
"""Records that one page reads at most, half a read unit each."""
PAGE_SIZE = 100
"""Dead letters that a redrive reads and writes before it looks at the time again."""
TRIES = 4
"""Reads of a task that other requests keep changing, before ChangedMeanwhile."""


@dataclass(frozen=True, kw_only=True)
class DeadLetters:
    """`letters`: over the dead-letter index. `clock`: epoch ms."""

    tasks: TaskStore
    letters: Listings
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    clock: Callable[[], int]

    def page(self, query: QueryParameters, *, tenant: str) -> TaskList:
        """The latest first. Raises InvalidRequest with every parameter at fault."""
        now = self.clock()
        errors = list(query.errors)
        limit = limit_of(query, errors)
        fields = {name: value for name, value in query.values.items() if name not in ("limit", "cursor")}
        filter_ = None
        try:
            filter_ = parse_fields(DeadLetterFilter, fields, now)
            errors += order_errors(filter_)
        except InvalidRequest as invalid:
            errors += invalid.errors
        after = None
        if filter_ is not None:
            after, _ = self._start(query.get("cursor"), tenant, filter_, errors)
        if errors or filter_ is None:
            raise InvalidRequest(errors)
        page = self.letters.page(
            tenant,
            limit=limit,
            after=after,
            read_limit=RECORDS_READ_LIMIT,
            matches=self._predicate(filter_),
            since=filter_.since or 0,
        )
        return {
            "tasks": [views.list_entry(task, self.dispatcher.routing, now=now) for task in page.tasks],
            "cursor": None if page.after is None else list_cursor(page.after, f"0.{filter_digest(tenant, filter_)}"),
        }

    def retry(self, tenant: str, task_id: str, body: Mapping[str, Any], header: str | None, *, by: str) -> Task:
        """One dead letter, due at once. `header`: Idempotency-Key as it came; the same request again under the same
        key changes nothing more. Raises NotFound; NotAllowedInState for a task that is no dead letter."""
        request = parse_fields(RetryTask, body, self.clock())
        keyed = keyed_change(header, request)
        for _ in range(TRIES):
            task = self.tasks.get(tenant, task_id)
            if task is None:
                raise NotFound("task", task_id)
            if task.membership is not None:
                raise NotAllowedInState("task", task.id, "retry (it is a node: retry its workflow)", task.state)
            if keyed and keyed.is_done_in((entry.get("mark", "") for entry in task.redrives), id=task.id):
                return task
            if task.state not in REDRIVE_TRANSITIONS:
                raise NotAllowedInState("task", task.id, "retry", task.state)
            now = self.clock()
            self.dispatcher.send_next_wakeups([replace(task, available_at=now)], now=now)
            mark = keyed.mark if keyed else None
            result = self._redrive_one(task, at=now, attempts=request.attempts, by=by, now=now, mark=mark)
            if isinstance(result, Applied):
                return result.task
        raise ChangedMeanwhile("task", task_id)

    def redrive(self, tenant: str, body: Mapping[str, Any], *, by: str) -> schemas.RedriveAnswer:
        """Page by page, the latest first. The cursor of the answer continues where the time or the limit ended it."""
        started_at = self.clock()
        request = parse_fields(Redrive, body, started_at)
        errors = order_errors(request)
        after, next_due_at = self._start(request.cursor, tenant, request, errors)
        first_due_at = max(started_at, next_due_at)
        if first_due_at + request.limit * 1000 / request.rate_per_second > started_at + MAX_RUN_AT_DELAY_MS:
            errors.append(FieldError("ratePerSecond", "is so slow that the last would be due in more than 5 years"))
        if errors:
            raise InvalidRequest(errors)
        matched = redriven = scheduled = 0
        last_due_at = None

        def due_at(nth: int) -> int:
            return first_due_at + round(nth * 1000 / request.rate_per_second)

        while True:
            page = self.letters.page(
                tenant,
                limit=min(PAGE_SIZE, request.limit - matched),
                after=after,
                read_limit=RECORDS_READ_LIMIT,
                matches=self._predicate(request),
                since=request.since or 0,
            )
            # Nodes are skipped and take no due time: a run counts its nodes, so the run is retried.
            standalone = [task for task in page.tasks if task.membership is None]
            tasks_due = [(task, due_at(scheduled + nth)) for nth, task in enumerate(standalone)]
            scheduled += len(tasks_due)
            if tasks_due:
                last_due_at = tasks_due[-1][1]
            result = PageResult() if request.dry_run else self._redrive_page(tasks_due, request, by)
            redriven += result.redriven
            if result.error is not None:
                if after is None or not redriven:
                    # The same request again finds the rest: a task that was redriven is no dead letter any more.
                    raise result.error
                # The cursor repeats this page.
                matched += result.redriven
                break
            matched += len(page.tasks)
            after = page.after
            if after is None or matched >= request.limit or self.clock() - started_at > TIME_LIMIT_MS:
                break
        next_due_at = 0 if request.dry_run else due_at(scheduled)
        if not request.dry_run:
            logger.info("redriven", extra={"by": by, "matched": matched, "redriven": redriven})
        return {
            "matched": matched,
            "redriven": redriven,
            "skipped": matched - (scheduled if request.dry_run else redriven),
            "dryRun": request.dry_run,
            "cursor": None if after is None else list_cursor(after, f"{next_due_at}.{filter_digest(tenant, request)}"),
            "lastDue": iso_time_or_none(last_due_at),
        }

    def _redrive_page(self, tasks_due: Sequence[tuple[Task, int]], request: Redrive, by: str) -> PageResult:
        """`tasks_due`: tasks with their due times. The wake-up goes before the record: a task whose wake-up cannot be
        sent is not written."""
        now = self.clock()
        sent = self.dispatcher.dispatch_many([replace(task, available_at=at) for task, at in tasks_due], now=now)
        errors = [error for error in sent if error is not None]

        def write(task_due: tuple[Task, int]) -> bool:
            task, at = task_due
            return isinstance(self._redrive_one(task, at=at, attempts=request.attempts, by=by, now=now), Applied)

        results = map_parallel(write, [pair for pair, error in zip(tasks_due, sent, strict=True) if error is None])
        errors += [result for result in results if isinstance(result, Exception)]
        return PageResult(sum(result is True for result in results), errors[0] if errors else None)

    def _redrive_one(
        self, task: Task, *, at: int, attempts: int | None, by: str, now: int, mark: str | None = None
    ) -> WriteResult:
        """The consequences of the task's end run first. The worker that had to run them may have died, and the wake-up
        that would run them again finds the task redriven."""
        self.consequences.run(task)
        attempts = attempts or self._default_attempts(task)
        return self.tasks.redrive(task, at=at, attempts=attempts, by=by, now=now, mark=mark)

    def _default_attempts(self, task: Task) -> int:
        try:
            return self.registry().find(task.type).retry.max_attempts
        except UnknownTaskType:
            return RetryPolicy().max_attempts

    def _predicate(self, filter_: DeadLetterFilter) -> Callable[[Task], bool]:
        """The index may still show a task that was redriven a moment ago: its state in the record decides."""
        name = filter_.type
        if name is not None:
            try:
                name = self.registry().find(name).name
            except UnknownTaskType:
                name = filter_.type
        return lambda task: (
            task.state in REDRIVE_TRANSITIONS
            and (name is None or task.type == name)
            and (filter_.error_type is None or last_error_type(task) == filter_.error_type)
        )

    def _start(
        self, cursor: str | None, tenant: str, filter_: DeadLetterFilter, errors: list[FieldError]
    ) -> tuple[str | None, int]:
        """The position after which a page starts, and the next due time in epoch ms (0 without a cursor)."""
        if not cursor:
            return (None if filter_.until is None else keys.time_sort_key(filter_.until, "")), 0
        after, scope = list_position(cursor)
        next_due_at, _, digest = scope.partition(".")
        if after is None or not re.fullmatch(r"[0-9]{1,15}", next_due_at):
            errors.append(FieldError("cursor", UNKNOWN_CURSOR))
            return None, 0
        if digest != filter_digest(tenant, filter_):
            errors.append(FieldError("cursor", OTHER_FILTER))
        return after, int(next_due_at)


@dataclass(frozen=True)
class PageResult:
    """`redriven`: tasks of the page that were written. `error`: the first that kept a task from being written."""

    redriven: int = 0
    error: Exception | None = None


def order_errors(filter_: DeadLetterFilter) -> list[FieldError]:
    if filter_.since is None or filter_.until is None or filter_.since < filter_.until:
        return []
    return [FieldError("until", "must be later than since")]


def last_error_type(task: Task) -> str | None:
    return task.history[-1].error_type if task.history else None


def filter_digest(tenant: str, filter_: DeadLetterFilter) -> str:
    fields = (tenant, filter_.type, filter_.error_type, filter_.since, filter_.until)
    return hashlib.blake2b(repr(fields).encode(errors="replace"), digest_size=6).hexdigest()
