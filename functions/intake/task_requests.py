"""The bodies of requests, as pydantic models. They hold every rule on a single field; /openapi.json is made from them.

Fields are camelCase on the wire. Some fields have other names too (`…_ALIASES`). These are resolved first, so that an
error names a field as the caller wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError
from taskyard.tasks.retry import MAX_DELAY_SECONDS

from functions.core.errors import FieldError
from functions.core.field_errors import field_errors
from functions.core.notifications.targets import Notify, stored_targets
from functions.core.task import MAX_RUN_AT_DELAY_MS, TASK_ID_PATTERN
from functions.core.times import InvalidTime, epoch_ms
from functions.intake.idempotency_key import MAX_KEY_LENGTH, key_problem

TYPE_ALIASES = {"task_name": "type", "taskName": "type"}
TIME_ALIASES = {
    "run_at": "runAt",
    "scheduled_at": "runAt",
    "scheduledAt": "runAt",
    "delay_seconds": "delaySeconds",
}
SUBMIT_ALIASES = TYPE_ALIASES | TIME_ALIASES | {"max_retries": "maxRetries", "retries": "maxRetries"}
CHANGE_ALIASES = TIME_ALIASES

PRIORITY_NAMES = {"high": 8, "normal": 5, "low": 1}
"""The middle of each lane's band."""
NORMAL_PRIORITY = PRIORITY_NAMES["normal"]
MAX_YEARS_AHEAD = MAX_RUN_AT_DELAY_MS // (366 * 24 * 3600 * 1000)


@dataclass(frozen=True)
class Limits:
    """The context of a validation. `now`: epoch ms. `timeout_seconds`: the longest time-out that a task may have."""

    now: int
    timeout_seconds: int


def limits_of(info: ValidationInfo) -> Limits:
    context: Any = info.context
    assert isinstance(context, Limits)
    return context


def validation_error(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})


def parse_time(value: Any, info: ValidationInfo) -> Any:
    """A time with an offset → epoch ms. A time before 1970 becomes 1970, so that no stored time is negative."""
    if not isinstance(value, str):
        raise validation_error("must be a time as a string, like 2026-02-01T10:00:00Z")
    try:
        at = epoch_ms(value)
    except InvalidTime as error:
        raise validation_error(str(error)) from None
    if at > limits_of(info).now + MAX_RUN_AT_DELAY_MS:
        raise validation_error(f"lies more than {MAX_YEARS_AHEAD} years ahead")
    return max(0, at)


def integer_from_float(value: Any) -> Any:
    """JSON does not distinguish 5.0 from 5, so 5.0 is accepted as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse_priority(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in PRIORITY_NAMES:
            raise validation_error("must be 0 to 9, or one of high, normal, low")
        return PRIORITY_NAMES[value.lower()]
    return integer_from_float(value)


def validate_timeout(value: int, info: ValidationInfo) -> int:
    limit = limits_of(info).timeout_seconds
    if value > limit:
        raise validation_error(f"must be at most {limit}: workers here are cut off soon after")
    return value


def validate_idempotency_key(value: str) -> str:
    if problem := key_problem(value.strip()):
        raise validation_error(problem)
    return value.strip()


def validate_task_id(value: str) -> str:
    if not re.fullmatch(TASK_ID_PATTERN, value):
        raise validation_error("must be the id of a task")
    return value


Instant = Annotated[
    int,
    BeforeValidator(parse_time),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-02-01T10:00:00.000Z"]}),
]
# Bounds come before BeforeValidator: after it pydantic checks them, but leaves them out of the schema.
Retries = Annotated[int, Field(ge=0, le=100), BeforeValidator(integer_from_float)]
TimeoutSeconds = Annotated[int, Field(ge=1), AfterValidator(validate_timeout), BeforeValidator(integer_from_float)]
Seconds = Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False)]
Priority = Annotated[
    int,
    BeforeValidator(parse_priority),
    Field(ge=0, le=9),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 9},
                {"type": "string", "pattern": "^([Hh][Ii][Gg][Hh]|[Nn][Oo][Rr][Mm][Aa][Ll]|[Ll][Oo][Ww])$"},
            ]
        }
    ),
]
TagKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TagValue = Annotated[str, StringConstraints(max_length=256)]
TaskId = Annotated[
    str, AfterValidator(validate_task_id), WithJsonSchema({"type": "string", "pattern": f"^{TASK_ID_PATTERN}$"})
]


class Request(BaseModel):
    """`aliases`: other name of a field → the field. `parts`: models of parts of the body that this model leaves
    untyped."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)

    aliases: ClassVar[Mapping[str, str]] = {}
    parts: ClassVar[tuple[type[Request], ...]] = ()

    @classmethod
    def complete_schema(cls, schema: dict[str, Any], components: str) -> None:
        """Adds to the JSON Schema of the model what pydantic cannot express. `components`: prefix of a `$ref`."""


class RetryOverrides(Request):
    """What is left out stays as the task type has it."""

    strategy: Literal["exponential", "fixed"] | None = Field(
        None, description="`exponential`: baseSeconds, doubled with each attempt. `fixed`: baseSeconds each time."
    )
    base_seconds: Seconds | None = None
    max_seconds: Seconds | None = Field(None, description="The most that one wait may last.")
    jitter: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description="The share of a wait that is spread: 0.5 waits between half of it and all of it."
    )


class StartTimeFields(Request):
    run_at: Instant | None = Field(None, description="When to run: ISO 8601 with an offset. A time in the past is now.")
    available_at: Instant | None = Field(None, description="May stand beside runAt: the later one counts.")
    delay_seconds: Annotated[float, Field(ge=0, le=MAX_RUN_AT_DELAY_MS / 1000, allow_inf_nan=False)] | None = Field(
        None, description="When to run, counted from now. Not together with runAt or availableAt."
    )

    def due_at(self, now: int) -> int | None:
        """Epoch ms, at least `now`; None when the request gives no time."""
        if self.delay_seconds is not None:
            return now + round(self.delay_seconds * 1000)
        requested = self.requested_time
        return None if requested is None else max(now, requested)

    @property
    def requested_time(self) -> int | None:
        """Epoch ms: the later one of runAt and availableAt. It may have passed."""
        return max((time for time in (self.run_at, self.available_at) if time is not None), default=None)


class TaskFields(StartTimeFields):
    """What a task and a workflow's node have in common."""

    type: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(description="The task type.")
    payload: Any = Field(
        default_factory=dict, description="What the type's handler takes: it must fit that type's own schema."
    )
    priority: Priority | None = Field(
        None,
        description="Chooses the lane: 7 to 9 is `high`, 3 to 6 `normal`, 0 to 2 `low`. A lane has workers of its own; "
        "within a lane priorities make no order. By name: high is 8, normal 5 (default), low 1.",
    )
    max_retries: Retries | None = Field(
        None, description="Attempts after the first one. Left out: as the task type has it."
    )
    retry: RetryOverrides | None = None
    timeout_seconds: TimeoutSeconds | None = Field(
        None, description="The most that one attempt may run. Left out: as the task type has it."
    )
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=20)] | None = None

    def retry_overrides(self) -> dict[str, Any]:
        """The fields of RetryPolicy that replace those of the task type."""
        overrides = self.retry.model_dump(exclude_none=True) if self.retry else {}
        return overrides if self.max_retries is None else overrides | {"max_attempts": self.max_retries + 1}

    def canonical_form(self, type_name: str) -> dict[str, Any]:
        """The request in one spelling: equal for two requests that ask for the same. `type_name`: the type's own name,
        not an alias.

        Defaults of the API are filled in. Defaults of the task type are left out, because a deployment may change them
        between a request and its repetition. Digests are stored, so the keys must not change (fingerprint.py).
        """
        delay = None if self.delay_seconds is None else round(self.delay_seconds * 1000)
        return {
            "type": type_name,
            "payload": self.payload,
            "at": self.requested_time,
            "delay": delay or None,
            "priority": NORMAL_PRIORITY if self.priority is None else self.priority,
            "retry": self.retry_overrides(),
            "timeout": self.timeout_seconds,
            "tags": self.tags or {},
        }


class SubmitTask(TaskFields):
    """A task to run: what (`type`), on what (`payload`), and when."""

    aliases: ClassVar[Mapping[str, str]] = SUBMIT_ALIASES

    idempotency_key: Annotated[str, AfterValidator(validate_idempotency_key)] | None = Field(
        None,
        description="The same key and body again answer the same task. The header Idempotency-Key does the same.",
        json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_LENGTH},
    )
    dependencies: Annotated[list[TaskId], Field(max_length=100)] | None = Field(
        None, description="Tasks that must succeed first. If one does not, this task is SKIPPED."
    )
    notify: Notify | None = Field(None, description="Whom to tell when it has ended: up to 10 webhooks and mails.")

    def canonical_form(self, type_name: str) -> dict[str, Any]:
        return super().canonical_form(type_name) | {
            "dependencies": sorted(set(self.dependencies or ())),
            "notify": stored_targets(self.notify),
        }


class ChangeTask(StartTimeFields):
    """What is to change of a task that has not started. What is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    aliases: ClassVar[Mapping[str, str]] = CHANGE_ALIASES

    priority: Priority | None = Field(
        None, description="As in a submit. Only another lane (7 to 9, 3 to 6, 0 to 2) changes when it runs."
    )
    payload: Any = Field(None, description="Replaces the payload whole; it must fit the schema of the task's type.")


R = TypeVar("R", bound=Request)


@dataclass(frozen=True)
class ParsedRequest(Generic[R]):
    """`request`: None when there are `errors`. `fields`: as the caller sent them, under their canonical names. `names`:
    canonical name → the caller's name."""

    request: R | None
    fields: dict[str, Any]
    names: dict[str, str]
    errors: list[FieldError]

    def caller_name(self, field: str) -> str:
        """The name under which the caller sent the field."""
        return self.names.get(field, field)


def parse(model: type[R], body: Mapping[str, Any], aliases: Mapping[str, str], limits: Limits) -> ParsedRequest[R]:
    """Validates the body against the model. Returns all errors at once; raises none."""
    fields, names, errors = resolve_aliases(body, aliases)
    request = None
    try:
        request = model.model_validate(fields, context=limits)
    except ValidationError as error:
        errors += [
            FieldError(caller_path(problem.field, names), problem.message)
            for problem in field_errors(error.errors(include_url=False, include_input=False), fields)
        ]
    if fields.get("delaySeconds") is not None:
        errors += [
            FieldError(names["delaySeconds"], f"give either this or {names[other]}, not both")
            for other in ("runAt", "availableAt")
            if fields.get(other) is not None
        ]
    return ParsedRequest(None if errors else request, fields, names, errors)


def resolve_aliases(
    body: Mapping[str, Any], aliases: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[FieldError]]:
    """The fields under their canonical names; canonical name → the caller's name; an error for each field that the body
    gives under two names."""
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    errors = []
    for caller_name, value in body.items():
        name = aliases.get(caller_name, caller_name)
        if name in fields:
            errors.append(FieldError(caller_name, f"is another name for {names[name]}, which is given too"))
        else:
            fields[name], names[name] = value, caller_name
    return fields, names, errors


def caller_path(field: str, names: Mapping[str, str]) -> str:
    """The path of a field with the caller's name for its first part: `runAt` → `run_at`."""
    head = re.split(r"[.\[]", field, maxsplit=1)[0]
    return names.get(head, head) + field[len(head) :]
