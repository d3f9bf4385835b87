"""Accepts a task: checks the request, sends the first wake-up, then writes the record (docs/adr/0002)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from taskyard.tasks.retry import RetryPolicy

from functions.core.errors import FieldError, IdempotencyKeyReused, InvalidRequest, UnknownTaskType
from functions.core.notifications import targets as notification
from functions.core.payloads.masking import Mask
from functions.core.pools import DEFAULT_POOL, Pool
from functions.core.states import State
from functions.core.task import Document, Task, id_for_key, time_ordered_id
from functions.core.task_types import RegisteredType, Registry
from functions.core.webhooks.addresses import Reach
from functions.intake.fingerprint import Fingerprint
from functions.intake.idempotency_key import key_of_request
from functions.intake.task_requests import (
    NORMAL_PRIORITY,
    SUBMIT_ALIASES,
    TYPE_ALIASES,
    Limits,
    ParsedRequest,
    SubmitTask,
    TaskFields,
    parse,
)
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.environment import WORKER_MARGIN_SECONDS
from functions.store.documents import Documents, require_payload_size
from functions.store.tasks import Applied, TaskStore

if TYPE_CHECKING:
    from functions.intake.admission import Admission


@dataclass(frozen=True)
class SubmittedTask:
    """`created`: False for the task of an earlier, equal request. `payload`: of the request. It may be None when not
    `created`; the task says then where its payload is stored."""

    task: Task
    created: bool
    payload: Any = None


@dataclass(frozen=True)
class PreparedTask:
    """A task whose request is valid. Nothing is stored yet, neither the task nor its `payload`."""

    task: Task
    payload: Any
    fingerprint: Fingerprint


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`timeout_limit`: seconds, the longest time-out of an attempt in the default pool. `webhook_reach`: which
    addresses a webhook of `notify` may have. `admission`: the quotas of tenants; None: there are none."""

    tasks: TaskStore
    documents: Documents
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    timeout_limit: int
    webhook_reach: Reach = "public"
    admission: Admission | None = None

    def submit(
        self, body: Mapping[str, Any], header: str | None, *, tenant: str, now: int, random: int, key: str | None = None
    ) -> SubmittedTask:
        """`header`: the header Idempotency-Key, unparsed. `key`: an idempotency key of Taskyard's own, instead of the
        caller's. `now`: epoch ms. `random`: 80 bits. Raises as `validate` and `admit` do."""
        valid = self.validate(body, header, tenant=tenant, now=now, random=random, key=key)
        self.admit(tenant, 1, now=now)
        prepared = self.with_dependencies(valid)
        return (
            prepared if isinstance(prepared, SubmittedTask) else self._accept(self.with_stored_payload(prepared), now)
        )

    def admit(self, tenant: str, submits: int, *, now: int) -> None:
        """Counts the submits of one request, which is valid, before anything is read or written for it. Raises
        QuotaExceeded, BeyondQuota."""
        if self.admission is not None:
            self.admission.admit(tenant, submits, now=now)

    def validate(
        self, body: Mapping[str, Any], header: str | None, *, tenant: str, now: int, random: int, key: str | None = None
    ) -> PreparedTask:
        """Checks all of the request but its dependencies. No call of AWS. Raises InvalidRequest, UnknownTaskType,
        PayloadTooLarge, BeyondQuota."""
        require_payload_size(body.get("payload"))
        limits = limits_of_type(body, now=now, timeout_limit=self.timeout_limit, registry=self.registry)
        parsed = parse(SubmitTask, body, SUBMIT_ALIASES, limits)
        key, key_errors = key_of_request(header, parsed) if key is None else (key, [])
        task_type, mask, type_errors = self._check_type(parsed)
        notify = parsed.request.notify if parsed.request else None
        errors = [
            *parsed.errors,
            *key_errors,
            *type_errors,
            *notification.unreachable_webhooks(notify, self.webhook_reach),
        ]
        if isinstance(task_type, UnknownTaskType):
            raise InvalidRequest(errors) if len(errors) > 1 else task_type
        if errors or parsed.request is None or task_type is None:
            raise InvalidRequest(errors)
        task_id = time_ordered_id(now, random) if key is None else id_for_key(tenant, key)
        task = task_from_request(
            parsed.request, task_type, tenant=tenant, task_id=task_id, now=now, timeout_limit=limits.timeout_seconds
        )
        fingerprint = Fingerprint(parsed.request.canonical_form(task_type.name), parsed.fields)
        task = replace(task, mask=mask, digest=fingerprint.digest, idempotency_key=key)
        if self.admission is not None:
            self.admission.require_payloads(tenant, [parsed.request.payload])
        return PreparedTask(task, parsed.request.payload, fingerprint)

    def with_dependencies(self, valid: PreparedTask) -> PreparedTask | SubmittedTask:
        """Checks that the dependencies exist. A SubmittedTask is the task of an earlier, equal request. Raises
        InvalidRequest."""
        task = valid.task
        if errors := self._dependency_errors(task):
            # A dependency may have expired since an earlier, equal request was accepted: the task exists then.
            earlier = self.tasks.get(task.tenant, task.id) if task.idempotency_key is not None else None
            if earlier is not None and valid.fingerprint.matches(earlier.digest):
                return SubmittedTask(earlier, created=False)
            raise InvalidRequest(errors)
        return valid

    def with_stored_payload(self, prepared: PreparedTask) -> PreparedTask:
        """Stores the payload. This comes before the wake-up, because a worker may claim the task at once."""
        task = prepared.task
        payload = self.documents.store_payload(task.tenant, task.id, prepared.payload)
        return replace(prepared, task=replace(task, payload=payload))

    def _accept(self, prepared: PreparedTask, now: int) -> SubmittedTask:
        task = prepared.task
        self.dispatcher.dispatch(task, generation=task.generation, at=first_wakeup_at(task, now), now=now)
        return self.write(prepared)

    def write(self, prepared: PreparedTask) -> SubmittedTask:
        """Writes the record of a task whose wake-up was sent. A task with dependencies is also linked to them."""
        task, payload = prepared.task, prepared.payload
        write_result = self.tasks.create(task)
        if not isinstance(write_result, Applied):
            return self._existing_task(prepared, write_result.task)
        if task.state is State.BLOCKED:
            self.consequences.link_dependencies(task)
            task = self.tasks.get(task.tenant, task.id) or task
        return SubmittedTask(task, created=True, payload=payload)

    def _existing_task(self, prepared: PreparedTask, existing: Task | None) -> SubmittedTask:
        """The result when a record with the id exists. `existing`: the record, if the write returned it. Raises
        IdempotencyKeyReused when it is of another request."""
        task, payload = prepared.task, prepared.payload
        if existing is None:
            existing = self.tasks.get(task.tenant, task.id) or task
        if not prepared.fingerprint.matches(existing.digest):
            raise IdempotencyKeyReused("task", existing.id, task.idempotency_key or "")
        # An id without a key is unique to this request: boto3 repeated our own write after its response was lost.
        return SubmittedTask(existing, created=task.idempotency_key is None, payload=payload)

    def _check_type(
        self, parsed: ParsedRequest[SubmitTask]
    ) -> tuple[RegisteredType | UnknownTaskType | None, Mask | None, list[FieldError]]:
        """The task type, or None when the body names none; the mask of the payload; the errors of the fields that the
        task type restricts: type, payload, time-out and retry policy."""
        name = parsed.fields.get("type")
        if not isinstance(name, str) or not name:
            return None, None, []
        try:
            task_type = self.registry().find(name)
        except UnknownTaskType as unknown:
            names = ", ".join(unknown.known_types)
            return unknown, None, [FieldError(parsed.caller_name("type"), f"is not a known task type; known: {names}")]
        errors = []
        if problem := task_type.timeout_problem(parsed.fields.get("timeoutSeconds")):
            errors.append(FieldError(parsed.caller_name("timeoutSeconds"), problem))
        try:
            mask = task_type.accept(parsed.fields.get("payload", {}))
        except InvalidRequest as refused:
            return task_type, None, [*errors, *refused.errors]
        errors += retry_policy_errors(parsed.request, task_type.retry) if parsed.request else []
        return task_type, mask, errors

    def _dependency_errors(self, task: Task) -> list[FieldError]:
        if not task.dependencies:
            return []
        if task.id in task.dependencies:
            return [FieldError("dependencies", f"{task.id} is this task itself")]
        existing = self.tasks.get_by_ids(task.tenant, task.dependencies, consistent=True)
        return [
            FieldError("dependencies", f"there is no task {upstream}")
            for upstream in task.dependencies
            if upstream not in existing
        ]


def limits_of_type(
    body: Mapping[str, Any], *, now: int, timeout_limit: int, registry: Callable[[], Registry]
) -> Limits:
    """The limits for a task of the type that `body` names. `timeout_limit`: of the default pool."""
    name = next((body[each] for each in ("type", *TYPE_ALIASES) if isinstance(body.get(each), str)), "")
    return Limits(now, timeout_limit_of(registry().pool_of(name), timeout_limit))


def timeout_limit_of(pool: Pool, timeout_limit: int) -> int:
    """Seconds. `timeout_limit`: of the default pool."""
    return timeout_limit if pool.name == DEFAULT_POOL else pool.timeout_seconds - WORKER_MARGIN_SECONDS


def first_wakeup_at(task: Task, now: int) -> int:
    """The time of the first wake-up, epoch ms. A task with dependencies gets one at once: the worker then completes the
    links to them, if the submit ended between the record and the links."""
    return now if task.state is State.BLOCKED else task.available_at


def task_from_request(
    request: SubmitTask, task_type: RegisteredType, *, tenant: str, task_id: str, now: int, timeout_limit: int
) -> Task:
    """The task type decides what the request leaves out."""
    due = request.due_at(now) or now
    dependencies = tuple(dict.fromkeys(request.dependencies or ()))
    state = State.BLOCKED if dependencies else State.PENDING if due > now else State.READY
    return Task(
        tenant=tenant,
        id=task_id,
        type=task_type.name,
        state=state,
        created_at=now,
        available_at=due,
        priority=NORMAL_PRIORITY if request.priority is None else request.priority,
        timeout_seconds=request.timeout_seconds or task_type.timeout(timeout_limit),
        retry=retry_policy(request, task_type.retry),
        payload=Document(),
        digest="",
        tags=request.tags or {},
        dependencies=dependencies,
        waiting_for=frozenset(dependencies),
        notify=notification.stored_targets(request.notify),
    )


def retry_policy(request: TaskFields, default: RetryPolicy) -> RetryPolicy:
    """`default`: of the task type."""
    return replace(default, **request.retry_overrides())


def retry_policy_errors(request: TaskFields, default: RetryPolicy) -> list[FieldError]:
    """A request is rejected when its baseSeconds is above the maxSeconds that applies: each wait would be cut."""
    base = request.retry.base_seconds if request.retry else None
    longest = retry_policy(request, default).max_seconds
    if base is None or base <= longest:
        return []
    message = f"is above maxSeconds, at which each wait ends: {longest:g} here; give a maxSeconds too"
    return [FieldError("retry.baseSeconds", message)]
