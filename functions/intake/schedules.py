"""The use cases of schedules: create, change, delete, run now, over the API; declare, by a deployment. docs/adr/0015,
docs/adr/0035.

EventBridge Scheduler is changed before the record when the change makes it fire, and after the record when the change
stops it. A crash between the two leaves firings that find no record, or a record of another revision: the firing
function corrects EventBridge Scheduler when it receives one.

A workflow that is too large for the record is stored before it. A request that dies between the two, or that finds the
schedule created or changed by another, leaves a document that nothing reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from functions.aws import recurring_schedules as aws
from functions.core.errors import (
    ChangedMeanwhile,
    DeclaredByDeployment,
    FieldError,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
)
from functions.core.schedules.recurrence import MINUTE_MS, Rate
from functions.core.schedules.schedule import (
    CatchUp,
    Overlap,
    Schedule,
    WorkflowTemplate,
    minute_of,
    scheduler_definition,
    scheduler_name,
)
from functions.core.task import id_for_key, time_ordered_id
from functions.intake.fingerprint import Fingerprint
from functions.intake.firings import Firings
from functions.intake.idempotency_key import key_of_request, validated_header_key
from functions.intake.schedule_requests import SCHEDULE_ALIASES, ChangeSchedule, CreateSchedule
from functions.intake.schedule_templates import Template, TemplateValidation
from functions.intake.submission import Submission, SubmittedTask
from functions.intake.task_requests import Limits, ParsedRequest, parse
from functions.store.documents import Documents
from functions.store.schedules import ScheduleStore

if TYPE_CHECKING:
    from functions.intake.workflow_submission import SubmittedRun

MAX_TRIES = 4
"""Reads of a schedule that other requests keep changing, before ChangedMeanwhile."""
CHANGES_OF_DECLARED = frozenset({"paused"})
"""What the API changes of a schedule that a deployment declares."""
DECLARATION_DEFAULTS: Mapping[str, Any] = {
    "name": None,
    "timezone": "UTC",
    "startAt": None,
    "endAt": None,
    "overlap": "allow",
    "catchUp": "none",
}
"""A field that a declaration leaves out is set to this, also where an earlier declaration gave it."""


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
    templates: TemplateValidation
    firing: Firings
    documents: Documents
    clock: Callable[[], int]

    def create(self, body: Mapping[str, Any], header: str | None, *, tenant: str, random: int) -> CreateResult:
        """`header`: Idempotency-Key as it came. `random`: 80 bits."""
        now = self.clock()
        parsed = parse(CreateSchedule, body, SCHEDULE_ALIASES, Limits(now, 0))
        key, key_errors = key_of_request(header, parsed)
        new = Schedule(
            tenant=tenant,
            id=time_ordered_id(now, random) if key is None else id_for_key(tenant, f"schedule\0{key}"),
            created_at=now,
            updated_at=now,
            idempotency_key=key,
        )
        return self._create(new, parsed, key_errors, now=now)

    def _create(
        self, new: Schedule, parsed: ParsedRequest[CreateSchedule], key_errors: list[FieldError], *, now: int
    ) -> CreateResult:
        """`new`: what the request does not decide."""
        tenant, key = new.tenant, new.idempotency_key
        schedule, template = self._apply(new, parsed, key_errors, now=now)
        assert template is not None, "a schedule is made with a template"
        fingerprint = Fingerprint(canonical_form(schedule, template), parsed.fields | {template.kind: template.fields})
        if key is not None and (earlier := self.schedules.get(tenant, schedule.id)) is not None:
            return result_of_repeat(earlier, fingerprint)
        if self.submission.admission is not None:
            self.submission.admission.require_another_schedule(tenant)
        schedule = replace(self._with_template(schedule, template, now=now), digest=fingerprint.digest)
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

    def change(self, tenant: str, schedule_id: str, body: Mapping[str, Any]) -> Schedule:
        """The schedule after the change. Raises InvalidRequest, NotFound, DeclaredByDeployment, ChangedMeanwhile."""
        parsed = parse(ChangeSchedule, body, SCHEDULE_ALIASES, Limits(self.clock(), 0))
        empty_body_errors = [] if body else [FieldError("body", "give at least one field that is to change")]
        return self._change(tenant, schedule_id, parsed, empty_body_errors, declared_as=None)

    def _change(
        self,
        tenant: str,
        schedule_id: str,
        parsed: ParsedRequest[Any],
        extra_errors: list[FieldError],
        *,
        declared_as: str | None,
    ) -> Schedule:
        """`declared_as`: of the deployment that changes it; None: a request does."""
        stored: Schedule | None = None
        for _ in range(MAX_TRIES):
            now = self.clock()
            before = self.find(tenant, schedule_id)
            if (
                declared_as is None
                and before.declared_as is not None
                and not parsed.fields.keys() <= CHANGES_OF_DECLARED
            ):
                raise DeclaredByDeployment(schedule_id, before.declared_as)
            after, template = self._apply(before, parsed, extra_errors, now=now, is_whole=declared_as is not None)
            if template is not None:
                # Stored once, however often the change is tried.
                stored = stored or self._with_template(after, template, now=now)
                after = replace(after, workflow=stored.workflow)
            after = replace(
                after, version=before.version + 1, updated_at=now, declared_as=declared_as or before.declared_as
            )
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
        """Its tasks stay. Raises NotFound, DeclaredByDeployment."""
        existed = self.schedules.delete(tenant, schedule_id, unless_declared=True)
        if not existed and (left := self.schedules.get(tenant, schedule_id)) is not None and left.declared_as:
            raise DeclaredByDeployment(schedule_id, left.declared_as)
        # Also without a record: the next delete, or the next firing, finishes a delete that died here.
        self.scheduler.delete(scheduler_name(tenant, schedule_id))
        if not existed:
            raise NotFound("schedule", schedule_id)

    # -- of a deployment

    def declare(
        self, tenant: str, schedule_id: str, body: Mapping[str, Any], *, declared_as: str, before: Mapping[str, Any]
    ) -> Schedule:
        """Makes the schedule what a deployment declares, whether it exists or not. May be repeated. `body`: as of a
        create. `before`: the body of the deployment before, empty for the first one. A pause by the API stays, unless
        `paused` is declared otherwise than before. Raises as `create` and `change` do."""
        now = self.clock()
        parsed = parse(CreateSchedule, {**DECLARATION_DEFAULTS, **body}, SCHEDULE_ALIASES, Limits(now, 0))
        errors = declaration_errors(parsed)
        if self.schedules.get(tenant, schedule_id) is None:
            new = Schedule(tenant=tenant, id=schedule_id, created_at=now, updated_at=now, declared_as=declared_as)
            return self._create(new, parsed, errors, now=now).schedule
        if before and parsed.request is not None:
            is_paused, was_paused = bool(body.get("paused")), bool(before.get("paused"))
            parsed.request.paused = None if is_paused == was_paused else is_paused
        return self._change(tenant, schedule_id, parsed, errors, declared_as=declared_as)

    def check_declaration(self, tenant: str, body: Mapping[str, Any], *, now: int) -> None:
        """Raises as `declare` does for a schedule that is not valid. Reads and writes nothing."""
        parsed = parse(CreateSchedule, {**DECLARATION_DEFAULTS, **body}, SCHEDULE_ALIASES, Limits(now, 0))
        self._apply(
            Schedule(tenant=tenant, id="", created_at=now, updated_at=now), parsed, declaration_errors(parsed), now=now
        )

    def withdraw(self, tenant: str, schedule_id: str) -> None:
        """Deletes a declared schedule. Does nothing where it is gone already."""
        self.schedules.delete(tenant, schedule_id)
        self.scheduler.delete(scheduler_name(tenant, schedule_id))

    # -- now

    def run(self, tenant: str, schedule_id: str, header: str | None, *, random: int) -> SubmittedTask | SubmittedRun:
        """Submits its task or workflow now, once for each Idempotency-Key. `header`: as it came. `random`: 80 bits.
        Raises as `Submission.admit` does: it is a submit by request, unlike a firing."""
        now = self.clock()
        key = validated_header_key(header)
        schedule = self.find(tenant, schedule_id)
        if self.submission.admission is not None:
            self.submission.admit(tenant, self._node_count(schedule), now=now)
        return self.firing.run_now(schedule, key or time_ordered_id(now, random), now=now)

    def _node_count(self, schedule: Schedule) -> int:
        """Tasks that a firing submits."""
        workflow = self.read_workflow(schedule)
        return 1 if workflow is None else len(workflow["workflow"]["nodes"])

    def read_workflow(self, schedule: Schedule) -> dict[str, Any] | None:
        """`{"workflow": …, "mask": …}` of the schedule; None where it submits a task."""
        if schedule.workflow is None:
            return None
        content: dict[str, Any] | None = self.documents.read(schedule.tenant, schedule.id, schedule.workflow.document)
        if content is None:
            # It was replaced since the schedule was read, and its document deleted.
            raise ChangedMeanwhile("schedule", schedule.id)
        return content

    # -- validation of a request

    def _apply(
        self,
        schedule: Schedule,
        parsed: ParsedRequest[Any],
        extra_errors: list[FieldError],
        *,
        now: int,
        is_whole: bool = True,
    ) -> tuple[Schedule, Template | None]:
        """The schedule with the changes of the request, and its template, when the request has one. A workflow is not
        stored yet. `extra_errors`: errors that the caller found. `is_whole`: the request must say when and what the
        schedule submits. Raises InvalidRequest with every error."""
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
        errors += self._times(parsed, request, changes, is_required=is_whole)
        template, template_errors = self.templates.validate(
            parsed, tenant=schedule.tenant, is_required=is_whole, now=now
        )
        errors += template_errors
        if errors:
            raise InvalidRequest(errors)
        changed = replace(schedule, **changes)
        if (changed.cron, changed.rate, changed.start_at) != (schedule.cron, schedule.rate, schedule.start_at):
            changed = replace(changed, anchor=rate_anchor(changed, now=now))
        check_times(changed, parsed, now=now)
        if template is not None and template.kind == "task":
            changed = replace(changed, task=template.fields, mask=template.mask, lane=template.lane, workflow=None)
        elif template is not None:
            changed = replace(changed, task={}, mask=None, lane=template.lane)
        return changed, template

    def _with_template(self, schedule: Schedule, template: Template, *, now: int) -> Schedule:
        """The schedule with its workflow stored, if it has one."""
        if template.kind == "task":
            return schedule
        # The time makes its name differ from that of every document before, which may be about to be deleted.
        content = {"workflow": template.fields, "mask": template.mask, "storedAt": now}
        document = self.documents.store_scheduled_workflow(schedule.tenant, schedule.id, content)
        return replace(schedule, workflow=WorkflowTemplate(name=template.canonical_form["name"], document=document))

    def _times(
        self, parsed: ParsedRequest[Any], request: Any, changes: dict[str, Any], *, is_required: bool
    ) -> list[FieldError]:
        """Adds cron, rate and time zone to `changes`. Returns their errors."""
        errors = []
        cron, rate = parsed.fields.get("cron"), parsed.fields.get("rate")
        if cron is not None and rate is not None:
            errors.append(
                FieldError(parsed.caller_name("rate"), f"give either this or {parsed.caller_name('cron')}, not both")
            )
        elif cron is None and rate is None and is_required:
            errors.append(FieldError("cron", "is required, or rate"))
        for name in ("cron", "rate"):
            if (expression := getattr(request, name)) is not None:
                changes |= {"cron": None, "rate": None} | {name: expression}
        if request.timezone is not None:
            changes["timezone"] = request.timezone
        return errors


def declaration_errors(parsed: ParsedRequest[CreateSchedule]) -> list[FieldError]:
    if parsed.fields.get("idempotencyKey") is None:
        return []
    return [FieldError(parsed.caller_name("idempotencyKey"), "cannot be given: the deployment decides")]


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


def canonical_form(schedule: Schedule, template: Template) -> dict[str, Any]:
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
        template.kind: template.canonical_form,
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
