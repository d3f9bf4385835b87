"""/schedules: create, read, change, delete, run now. docs/adr/0015.

EventBridge Scheduler is changed before the record when the change makes it fire, and after the record when the change
stops it. A crash between the two leaves firings that find no record, or a record of another revision: the producer
corrects EventBridge Scheduler when it receives one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.api.paging import newest_ids
from functions.api.request import QueryParameters
from functions.api.schedules.requests import (
    NOT_IN_TEMPLATES,
    SCHEDULE_ALIASES,
    TEMPLATE_LIMIT_BYTES,
    ChangeSchedule,
    CreateSchedule,
)
from functions.api.schedules.views import list_entry
from functions.aws import recurring_schedules as aws
from functions.core.errors import (
    ChangedMeanwhile,
    FieldError,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    UnknownTaskType,
)
from functions.core.field_errors import join_paths
from functions.core.schedules.recurrence import MINUTE_MS, Rate
from functions.core.schedules.schedule import (
    CatchUp,
    Overlap,
    Schedule,
    minute_of,
    scheduler_definition,
    scheduler_name,
)
from functions.core.task import id_for_key, time_ordered_id
from functions.intake.fingerprint import Fingerprint
from functions.intake.firings import Firings
from functions.intake.idempotency_key import key_of_request, validated_header_key
from functions.intake.submission import PreparedTask, Submission, SubmittedTask
from functions.intake.task_requests import SUBMIT_ALIASES, Limits, ParsedRequest, parse, resolve_aliases
from functions.store import keys
from functions.store.listings import ListingIndex, Listings
from functions.store.schedules import ScheduleStore

if TYPE_CHECKING:
    from functions.api.schedules import schemas

SCHEDULE_INDEX = ListingIndex("listing", "listPk", "listSk", keys.schedule_listing_partition)
CURSOR_SCOPE = "schedules"
MAX_TRIES = 4
"""Reads of a schedule that other requests keep changing, before ChangedMeanwhile."""


@dataclass(frozen=True)
class CreateResult:
    """`created`: False for a request that an earlier one with its idempotency key has carried out."""

    schedule: Schedule
    created: bool


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """`clock`: epoch ms."""

    schedules: ScheduleStore
    scheduler: aws.RecurringSchedules
    submission: Submission
    firing: Firings
    listings: Listings
    clock: Callable[[], int]

    def create(self, body: Mapping[str, Any], header: str | None, *, tenant: str, random: int) -> CreateResult:
        """`header`: Idempotency-Key as it came. `random`: 80 bits."""
        now = self.clock()
        parsed = parse(CreateSchedule, body, SCHEDULE_ALIASES, Limits(now, 0))
        key, key_errors = key_of_request(header, parsed)
        empty = Schedule(
            tenant=tenant,
            id=time_ordered_id(now, random) if key is None else id_for_key(tenant, f"schedule\0{key}"),
            created_at=now,
            updated_at=now,
            idempotency_key=key,
        )
        schedule, template = self._apply(empty, parsed, key_errors, now=now)
        assert template is not None, "a schedule is made with a template"
        fingerprint = Fingerprint(canonical_form(schedule, template), parsed.fields | {"task": schedule.task})
        schedule = replace(schedule, digest=fingerprint.digest)
        if key is not None and (earlier := self.schedules.get(tenant, schedule.id)) is not None:
            return result_of_repeat(earlier, fingerprint)
        if self.submission.admission is not None:
            self.submission.admission.require_another_schedule(tenant)
        with scheduler_errors_as_invalid_request(parsed):
            if not self.scheduler.create(scheduler_definition(schedule, now=now)):
                # Another request created it and died before its record, or is about to write it: the record decides.
                self.scheduler.put(scheduler_definition(schedule, now=now))
        earlier = self.schedules.create(schedule)
        if earlier is None:
            return CreateResult(schedule, created=True)
        if not fingerprint.matches(earlier.digest):
            self.scheduler.put(scheduler_definition(earlier, now=now))
        # Without a key no other request has this id: boto3 repeated our own write, whose answer was lost.
        return CreateResult(earlier, created=True) if key is None else result_of_repeat(earlier, fingerprint)

    def find(self, tenant: str, schedule_id: str) -> Schedule:
        schedule = self.schedules.get(tenant, schedule_id)
        if schedule is None:
            raise NotFound("schedule", schedule_id)
        return schedule

    def page(self, tenant: str, query: QueryParameters) -> schemas.ScheduleList:
        """Newest first."""
        page = newest_ids(self.listings, tenant, query, scope=CURSOR_SCOPE)
        schedules = self.schedules.get_by_ids(tenant, page.ids)
        now = self.clock()
        return {
            "schedules": [list_entry(schedules[each], now=now) for each in page.ids if each in schedules],
            "cursor": page.cursor,
        }

    def change(self, tenant: str, schedule_id: str, body: Mapping[str, Any]) -> Schedule:
        """The schedule after the change. Raises InvalidRequest, NotFound, ChangedMeanwhile."""
        parsed = parse(ChangeSchedule, body, SCHEDULE_ALIASES, Limits(self.clock(), 0))
        empty_body_errors = [] if body else [FieldError("body", "give at least one field that is to change")]
        for _ in range(MAX_TRIES):
            now = self.clock()
            before = self.find(tenant, schedule_id)
            after, _ = self._apply(before, parsed, empty_body_errors, now=now)
            after = replace(after, version=before.version + 1, updated_at=now)
            if after.paused and not self.schedules.change(after):
                continue
            with scheduler_errors_as_invalid_request(parsed):
                self.scheduler.put(scheduler_definition(after, now=now))
            if after.paused:
                return after
            if before.paused_at is not None:
                # Before the record: a crash here leaves the schedule paused, and the request sent again catches up.
                self.firing.catch_up(after, since=before.paused_at, now=now)
            if self.schedules.change(after):
                return self.find(tenant, schedule_id)
            if self.schedules.get(tenant, schedule_id) is None:
                # Another request deleted it, and `put` above has created it again at EventBridge Scheduler.
                self.scheduler.delete(scheduler_name(tenant, schedule_id))
        raise ChangedMeanwhile("schedule", schedule_id)

    def delete(self, tenant: str, schedule_id: str) -> None:
        """Its tasks stay. Raises NotFound."""
        existed = self.schedules.delete(tenant, schedule_id)
        # Also without a record: the next delete, or the next firing, finishes a delete that died here.
        self.scheduler.delete(scheduler_name(tenant, schedule_id))
        if not existed:
            raise NotFound("schedule", schedule_id)

    def run(self, tenant: str, schedule_id: str, header: str | None, *, random: int) -> SubmittedTask:
        """Submits the task now, once for each Idempotency-Key. `header`: as it came. `random`: 80 bits. Raises as
        `Submission.admit` does: it is a submit by request, unlike a firing."""
        now = self.clock()
        key = validated_header_key(header)
        schedule = self.find(tenant, schedule_id)
        self.submission.admit(tenant, 1, now=now)
        return self.firing.run_now(schedule, key or time_ordered_id(now, random), now=now)

    # -- validation of a request

    def _apply(
        self, schedule: Schedule, parsed: ParsedRequest[Any], extra_errors: list[FieldError], *, now: int
    ) -> tuple[Schedule, PreparedTask | None]:
        """The schedule with the changes of the request, and its template as a prepared task, when the request has one.
        `extra_errors`: errors that the caller found. Raises InvalidRequest with every error."""
        errors = [*parsed.errors, *extra_errors]
        request = parsed.request
        fields = parsed.fields
        changes: dict[str, Any] = {}
        if request is None:
            # The request is invalid: an empty one stands in for it, to find the other errors.
            request = ChangeSchedule.model_construct()
        for name, attribute in (("name", "name"), ("startAt", "start_at"), ("endAt", "end_at")):
            if name in fields:
                changes[attribute] = getattr(request, attribute, None)
        if fields.get("overlap") is not None:
            changes["overlap"] = Overlap(request.overlap) if request.overlap else schedule.overlap
        if fields.get("catchUp") is not None:
            changes["catch_up"] = CatchUp(request.catch_up) if request.catch_up else schedule.catch_up
        if request.paused is not None and request.paused != schedule.paused:
            changes["paused_at"] = now if request.paused else None
        errors += self._times(schedule, parsed, request, changes)
        task = None
        if isinstance(fields.get("task"), dict):
            template, task, template_errors = self._template(
                schedule, fields["task"], parsed.caller_name("task"), now=now
            )
            changes["task"] = template
            if task is not None:
                changes |= {"lane": self.submission.dispatcher.routing.lane_of_task(task.task), "mask": task.task.mask}
            errors += template_errors
        if errors:
            raise InvalidRequest(errors)
        changed = replace(schedule, **changes)
        if (changed.cron, changed.rate, changed.start_at) != (schedule.cron, schedule.rate, schedule.start_at):
            changed = replace(changed, anchor=rate_anchor(changed, now=now))
        check_times(changed, parsed, now=now)
        return changed, task

    def _times(
        self, schedule: Schedule, parsed: ParsedRequest[Any], request: Any, changes: dict[str, Any]
    ) -> list[FieldError]:
        """Adds cron, rate and time zone to `changes`. Returns their errors."""
        errors = []
        cron, rate = parsed.fields.get("cron"), parsed.fields.get("rate")
        if cron is not None and rate is not None:
            errors.append(
                FieldError(parsed.caller_name("rate"), f"give either this or {parsed.caller_name('cron')}, not both")
            )
        elif cron is None and rate is None and schedule.cron is None and schedule.rate is None:
            errors.append(FieldError("cron", "is required, or rate"))
        for name in ("cron", "rate"):
            if (expression := getattr(request, name)) is not None:
                changes |= {"cron": None, "rate": None} | {name: expression}
        if request.timezone is not None:
            changes["timezone"] = request.timezone
        return errors

    def _template(
        self, schedule: Schedule, task_fields: dict[str, Any], name: str, *, now: int
    ) -> tuple[dict[str, Any], PreparedTask | None, list[FieldError]]:
        """The template under the canonical names of its fields; the prepared task (None: it is invalid); its errors."""
        fields, names, _ = resolve_aliases(task_fields, SUBMIT_ALIASES)
        errors = [
            FieldError(f"{name}.{names[field]}", "cannot be given: each task of a schedule has its own")
            for field in NOT_IN_TEMPLATES
            if fields.get(field) is not None
        ]
        size = len(json.dumps(task_fields, ensure_ascii=False).encode(errors="replace"))
        if size > TEMPLATE_LIMIT_BYTES:
            raise PayloadTooLarge(size, TEMPLATE_LIMIT_BYTES)
        task_body = {
            each: value for each, value in task_fields.items() if SUBMIT_ALIASES.get(each, each) not in NOT_IN_TEMPLATES
        }
        task = None
        try:
            task = self.submission.validate(task_body, None, tenant=schedule.tenant, now=now, random=0)
        except InvalidRequest as invalid:
            errors += [FieldError(join_paths(name, each.field), each.message) for each in invalid.errors]
        except UnknownTaskType as unknown:
            errors.append(FieldError(f"{name}.{names.get('type', 'type')}", str(unknown)))
        return {each: value for each, value in fields.items() if each not in NOT_IN_TEMPLATES}, task, errors


def check_times(schedule: Schedule, parsed: ParsedRequest[Any], *, now: int) -> None:
    """Checks that a schedule whose times the request changes is due at least once. Raises InvalidRequest."""
    if not {"cron", "rate", "startAt", "endAt", "timezone"} & parsed.fields.keys():
        return
    end, start = schedule.end_at, schedule.start_at
    if end is not None and end <= now and "endAt" in parsed.fields:
        raise InvalidRequest([FieldError(parsed.caller_name("endAt"), "lies in the past")])
    if end is not None and start is not None and end <= start:
        raise InvalidRequest([FieldError(parsed.caller_name("endAt"), "must be later than startAt")])
    if (end is None or end > now) and not schedule.timetable.next_times(now, 1):
        name = "cron" if schedule.cron is not None else "rate"
        why = "never comes" if end is None else "has no time between now, startAt and endAt"
        raise InvalidRequest([FieldError(parsed.caller_name(name), why)])


def rate_anchor(schedule: Schedule, *, now: int) -> int | None:
    """The first time of a rate: its start, rounded up to a minute, else one period from now. None for a cron."""
    recurrence = schedule.recurrence
    if not isinstance(recurrence, Rate):
        return None
    if schedule.start_at is not None:
        return minute_of(schedule.start_at + MINUTE_MS - 1)
    return minute_of(now) + recurrence.period_ms


def canonical_form(schedule: Schedule, template: PreparedTask) -> dict[str, Any]:
    """The schedule in canonical form: equal for two requests that mean the same."""
    return {
        "name": schedule.name,
        "when": schedule.recurrence.expression,
        "timezone": schedule.timezone,
        "start": schedule.start_at,
        "end": schedule.end_at,
        "paused": schedule.paused,
        "overlap": schedule.overlap,
        "catchUp": schedule.catch_up,
        "task": template.fingerprint.canonical_form,
    }


def result_of_repeat(earlier: Schedule, fingerprint: Fingerprint) -> CreateResult:
    if not fingerprint.matches(earlier.digest):
        raise IdempotencyKeyReused("schedule", earlier.id, earlier.idempotency_key or "")
    return CreateResult(earlier, created=False)


@contextmanager
def scheduler_errors_as_invalid_request(parsed: ParsedRequest[Any]) -> Iterator[None]:
    """Turns an error of EventBridge Scheduler, which has rules of its own, into InvalidRequest for the wrong field."""
    try:
        yield
    except aws.RejectedByScheduler as rejection:
        field = next((name for name in ("cron", "rate", "timezone") if name in parsed.fields), "body")
        raise InvalidRequest([FieldError(parsed.caller_name(field), f"is refused: {rejection.message}")]) from rejection
