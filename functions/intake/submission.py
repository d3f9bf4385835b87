"""POST /tasks: everything is checked, then the wake-up is sent, then the record is written (docs/adr/0002)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_to_bytes

from taskyard.tasks.retry import RetryPolicy

from functions.core.errors import FieldError, IdempotencyKeyReused, InvalidRequest, UnknownTaskType
from functions.core.idempotency import KeyedChange
from functions.core.notifications import targets as notification
from functions.core.payloads.masking import Mask
from functions.core.states import State
from functions.core.task import Document, Task, id_for_key, time_ordered_id
from functions.core.task_types import RegisteredType, Registry
from functions.core.webhooks.addresses import Reach
from functions.intake.task_requests import (
    NORMAL_PRIORITY,
    SUBMIT_ALIASES,
    Fingerprint,
    Limits,
    Parsed,
    Request,
    SubmitTask,
    Work,
    key_problem,
    parse,
)
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.store.documents import Documents, require_payload_size
from functions.store.tasks import Applied, TaskStore

HEADER = "Idempotency-Key"


@dataclass(frozen=True)
class SubmittedTask:
    """`created`: False when the same request was answered before. `payload`: None then; it is where the task is."""

    task: Task
    created: bool
    payload: Any = None


@dataclass(frozen=True)
class PreparedTask:
    """A task that may be written: nothing is wrong with its request. `payload`: not kept yet."""

    task: Task
    payload: Any
    fingerprint: Fingerprint


@dataclass(frozen=True, kw_only=True)
class Submission:
    """`timeout_limit`: seconds, the most that one attempt may run here. `webhook_reach`: where `notify` may lead."""

    tasks: TaskStore
    documents: Documents
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    timeout_limit: int
    webhook_reach: Reach = "public"

    def submit(
        self, body: Mapping[str, Any], header: str | None, *, tenant: str, now: int, random: int, key: str | None = None
    ) -> SubmittedTask:
        """`header`: Idempotency-Key as it came; `key`: one that Taskyard itself has made, instead of the caller's.
        `now`: epoch ms; `random`: 80 bits."""
        prepared = self.prepare(body, header, tenant=tenant, now=now, random=random, key=key)
        return prepared if isinstance(prepared, SubmittedTask) else self._accept(self.kept(prepared), now)

    def prepare(
        self, body: Mapping[str, Any], header: str | None, *, tenant: str, now: int, random: int, key: str | None = None
    ) -> PreparedTask | SubmittedTask:
        """Checks everything, writes nothing. Raises what is wrong with the request."""
        require_payload_size(body.get("payload"))
        parsed = parse(SubmitTask, body, SUBMIT_ALIASES, Limits(now, self.timeout_limit))
        key, key_errors = idempotency_key(header, parsed) if key is None else (key, [])
        kind, mask, type_errors = self._kind(parsed)
        notify = parsed.request.notify if parsed.request else None
        errors = [
            *parsed.errors,
            *key_errors,
            *type_errors,
            *notification.unreachable_webhooks(notify, self.webhook_reach),
        ]
        if isinstance(kind, UnknownTaskType):
            raise InvalidRequest(errors) if len(errors) > 1 else kind
        if errors or parsed.request is None or kind is None:
            raise InvalidRequest(errors)
        task_id = time_ordered_id(now, random) if key is None else id_for_key(tenant, key)
        task = described(
            parsed.request, kind, tenant=tenant, task_id=task_id, now=now, timeout_limit=self.timeout_limit
        )
        fingerprint = Fingerprint(parsed.request.meaning(kind.name), parsed.fields)
        task = replace(task, mask=mask, digest=fingerprint.digest, idempotency_key=key)
        if errors := self._missing(task):
            # Upstreams expire before what was made of them: the same request again is still the same task.
            earlier = self.tasks.get(tenant, task_id) if key is not None else None
            if earlier is not None and fingerprint.fits(earlier.digest):
                return SubmittedTask(earlier, created=False)
            raise InvalidRequest(errors)
        return PreparedTask(task, parsed.request.payload, fingerprint)

    def kept(self, prepared: PreparedTask) -> PreparedTask:
        """With the payload where it is to be: before anything can claim the task."""
        task = prepared.task
        payload = self.documents.store_payload(task.tenant, task.id, prepared.payload)
        return replace(prepared, task=replace(task, payload=payload))

    def _accept(self, prepared: PreparedTask, now: int) -> SubmittedTask:
        task = prepared.task
        self.dispatcher.dispatch(task, generation=task.generation, at=first_look(task, now), now=now)
        return self.write(prepared)

    def write(self, prepared: PreparedTask) -> SubmittedTask:
        """The record, whose wake-up is in flight; for one that waits for others also the links to them."""
        task, payload = prepared.task, prepared.payload
        answer = self.tasks.create(task)
        if not isinstance(answer, Applied):
            return self._taken(prepared, answer.task)
        if task.state is State.BLOCKED:
            self.consequences.link_dependencies(task)
            task = self.tasks.get(task.tenant, task.id) or task
        return SubmittedTask(task, created=True, payload=payload)

    def _taken(self, prepared: PreparedTask, found: Task | None) -> SubmittedTask:
        task, payload = prepared.task, prepared.payload
        if found is None:
            found = self.tasks.get(task.tenant, task.id) or task
        if not prepared.fingerprint.fits(found.digest):
            raise IdempotencyKeyReused("task", found.id, task.idempotency_key or "")
        # Without a key the id is nobody else's: our own write, whose answer was lost and which boto3 sent again.
        return SubmittedTask(found, created=task.idempotency_key is None, payload=payload)

    def _kind(
        self, parsed: Parsed[SubmitTask]
    ) -> tuple[RegisteredType | UnknownTaskType | None, Mask | None, list[FieldError]]:
        """The type, if the body names one that can be looked up; the mask of the payload, and what is wrong with
        payload and time-out for it."""
        name = parsed.fields.get("type")
        if not isinstance(name, str) or not name:
            return None, None, []
        try:
            kind = self.registry().find(name)
        except UnknownTaskType as unknown:
            known = ", ".join(unknown.known)
            return unknown, None, [FieldError(parsed.name("type"), f"is not a known task type; known: {known}")]
        errors = []
        if problem := kind.timeout_problem(parsed.fields.get("timeoutSeconds")):
            errors.append(FieldError(parsed.name("timeoutSeconds"), problem))
        try:
            mask = kind.accept(parsed.fields.get("payload", {}))
        except InvalidRequest as refused:
            return kind, None, [*errors, *refused.errors]
        errors += policy_errors(parsed.request, kind.retry) if parsed.request else []
        return kind, mask, errors

    def _missing(self, task: Task) -> list[FieldError]:
        if not task.dependencies:
            return []
        if task.id in task.dependencies:
            return [FieldError("dependencies", f"{task.id} is this task itself")]
        found = self.tasks.get_many(task.tenant, task.dependencies, consistent=True)
        return [
            FieldError("dependencies", f"there is no task {upstream}")
            for upstream in task.dependencies
            if upstream not in found
        ]


def first_look(task: Task, now: int) -> int:
    """When its first wake-up is to arrive. A task that waits for others is looked at once, at once: that repairs a
    link that was begun and not ended."""
    return now if task.state is State.BLOCKED else task.available_at


def described(
    request: SubmitTask, kind: RegisteredType, *, tenant: str, task_id: str, now: int, timeout_limit: int
) -> Task:
    """The task that the request asks for: what it leaves out is as the type has it."""
    due = request.due(now) or now
    dependencies = tuple(dict.fromkeys(request.dependencies or ()))
    state = State.BLOCKED if dependencies else State.PENDING if due > now else State.READY
    return Task(
        tenant=tenant,
        id=task_id,
        type=kind.name,
        state=state,
        created_at=now,
        available_at=due,
        priority=NORMAL_PRIORITY if request.priority is None else request.priority,
        timeout_seconds=request.timeout_seconds or kind.timeout(timeout_limit),
        retry=policy(request, kind.retry),
        payload=Document(),
        digest="",
        tags=request.tags or {},
        dependencies=dependencies,
        waiting_for=frozenset(dependencies),
        notify=notification.stored_targets(request.notify),
    )


def policy(request: Work, default: RetryPolicy) -> RetryPolicy:
    return replace(default, **request.overrides())


def policy_errors(request: Work, default: RetryPolicy) -> list[FieldError]:
    """A wait that would be cut is refused: what is asked for is done, or not taken."""
    base = request.retry.base_seconds if request.retry else None
    longest = policy(request, default).max_seconds
    if base is None or base <= longest:
        return []
    message = f"is above maxSeconds, at which each wait ends: {longest:g} here; give a maxSeconds too"
    return [FieldError("retry.baseSeconds", message)]


def idempotency_key(header: str | None, parsed: Parsed[Any]) -> tuple[str | None, list[FieldError]]:
    """From the header or the field; both may be given, if they agree."""
    field = parsed.fields.get("idempotencyKey")
    field = field.strip() if isinstance(field, str) else None
    if header is None:
        return field, []
    key = key_of_header(header)
    if problem := key_problem(key):
        return None, [FieldError(HEADER, problem)]
    if field is not None and field != key:
        return None, [FieldError(HEADER, f"is not the same as {parsed.name('idempotencyKey')}; give one of them")]
    return key, []


def keyed_change(header: str | None, request: Request) -> KeyedChange | None:
    """Of a route whose body has no field for the key; None without a header. Raises InvalidRequest."""
    key = header_key(header)
    if key is None:
        return None
    fields = request.model_dump(mode="json", include=request.model_fields_set)
    # null says what leaving a field out says, except of a payload.
    return KeyedChange(key, {name: value for name, value in fields.items() if value is not None or name == "payload"})


def header_key(header: str | None) -> str | None:
    """The key of a request that can give it in the header only. Raises InvalidRequest."""
    key, errors = idempotency_key(header, Parsed(None, {}, {}, []))
    if errors:
        raise InvalidRequest(errors)
    return key


def key_of_header(value: str) -> str:
    """The key as the field idempotencyKey would have it. It may be spelled in three ways: bare; in quotes, as the draft
    of the header has it (a String of RFC 9651); or, for any character, as a Display String of RFC 9651, such as
    `%"na%c3%afve"`. "" for a Display String that is none."""
    with contextlib.suppress(UnicodeError):
        # Sent bare as UTF-8. Gateways differ in whether they read the bytes as UTF-8 or as Latin-1.
        value = value.encode("latin-1").decode()
    value = value.strip()
    if len(value) >= 3 and value.startswith('%"') and value.endswith('"'):
        return display_string(value[2:-1]).strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\").strip()
    return value


def display_string(encoded: str) -> str:
    """`na%c3%afve` → `naïve`; "" when it is not UTF-8."""
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeError:
        return ""
