"""What callers send, as pydantic models: each rule on a single field is here, and in /openapi.json from here.

Fields are camelCase on the wire. Some are also known by other names (`ALIASES`), which are resolved first, so that
errors can name each field as its caller wrote it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
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
from functions.core.notifications.targets import Notify
from functions.core.notifications.targets import stored_targets as kept_targets
from functions.core.schedules.schedule import SCHEDULE_KEY_PREFIX
from functions.core.task import MAX_RUN_AT_DELAY_MS, TASK_ID_PATTERN
from functions.core.times import InvalidTime, epoch_ms

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
KEY_LIMIT = 256
_YEARS = MAX_RUN_AT_DELAY_MS // (366 * 24 * 3600 * 1000)


@dataclass(frozen=True)
class Limits:
    """What a rule needs beside the value. now: epoch ms; timeout_seconds: the most that a task may ask for."""

    now: int
    timeout_seconds: int


def limits(info: ValidationInfo) -> Limits:
    given: Any = info.context
    assert isinstance(given, Limits)
    return given


def refuse(message: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{message}", {"message": message})


def instant(value: Any, info: ValidationInfo) -> Any:
    """A time with an offset → epoch ms. All that is before 1970 is 1970: long ago is long ago, and stays in order."""
    if not isinstance(value, str):
        raise refuse("must be a time as a string, like 2026-02-01T10:00:00Z")
    try:
        at = epoch_ms(value)
    except InvalidTime as bad:
        raise refuse(str(bad)) from None
    if at > limits(info).now + MAX_RUN_AT_DELAY_MS:
        raise refuse(f"lies more than {_YEARS} years ahead")
    return max(0, at)


def integral(value: Any) -> Any:
    """JSON knows no integers: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def priority(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in PRIORITY_NAMES:
            raise refuse("must be 0 to 9, or one of high, normal, low")
        return PRIORITY_NAMES[value.lower()]
    return integral(value)


def timeout(value: int, info: ValidationInfo) -> int:
    most = limits(info).timeout_seconds
    if value > most:
        raise refuse(f"must be at most {most}: workers here are cut off soon after")
    return value


def key_problem(key: str) -> str | None:
    """What is wrong with an idempotency key."""
    if not 1 <= len(key) <= KEY_LIMIT or not key.isprintable():
        return f"must be 1 to {KEY_LIMIT} printable characters"
    if key.startswith(SCHEDULE_KEY_PREFIX):
        return f"must not begin with {SCHEDULE_KEY_PREFIX}, as the keys of what schedules submit do"
    return None


def stripped_key(value: str) -> str:
    if problem := key_problem(value.strip()):
        raise refuse(problem)
    return value.strip()


def task_id(value: str) -> str:
    if not re.fullmatch(TASK_ID_PATTERN, value):
        raise refuse("must be the id of a task")
    return value


Instant = Annotated[
    int,
    BeforeValidator(instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-02-01T10:00:00.000Z"]}),
]
# Bounds stand before BeforeValidator: behind it they would be checked, but not be in the schema.
Retries = Annotated[int, Field(ge=0, le=100), BeforeValidator(integral)]
TimeoutSeconds = Annotated[int, Field(ge=1), AfterValidator(timeout), BeforeValidator(integral)]
Seconds = Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS, allow_inf_nan=False)]
Priority = Annotated[
    int,
    BeforeValidator(priority),
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
TaskId = Annotated[str, AfterValidator(task_id), WithJsonSchema({"type": "string", "pattern": f"^{TASK_ID_PATTERN}$"})]


class Request(BaseModel):
    """`aliases`: other name of a field → the field. `parts`: models of parts of the body that pydantic does not see."""

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


class Timed(Request):
    run_at: Instant | None = Field(None, description="When to run: ISO 8601 with an offset. A time in the past is now.")
    available_at: Instant | None = Field(None, description="May stand beside runAt: the later one counts.")
    delay_seconds: Annotated[float, Field(ge=0, le=MAX_RUN_AT_DELAY_MS / 1000, allow_inf_nan=False)] | None = Field(
        None, description="When to run, counted from now. Not together with runAt or availableAt."
    )

    def due(self, now: int) -> int | None:
        """Epoch ms, now at the earliest; None when no time is given."""
        if self.delay_seconds is not None:
            return now + round(self.delay_seconds * 1000)
        at = self.instant
        return None if at is None else max(now, at)

    @property
    def instant(self) -> int | None:
        """Epoch ms: the time that was given, the later one of two, also when it has passed."""
        return max((at for at in (self.run_at, self.available_at) if at is not None), default=None)


class Work(Timed):
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

    def overrides(self) -> dict[str, Any]:
        """What of the type's retry policy the request replaces."""
        given = self.retry.model_dump(exclude_none=True) if self.retry else {}
        return given if self.max_retries is None else given | {"max_attempts": self.max_retries + 1}

    def meaning(self, kind: str) -> dict[str, Any]:
        """What is asked for, in one spelling: equal for two requests that are the same. `kind`: the type's own name.

        A default that every request has is filled in; one that the task type has is left out, because a deployment
        may change it between a request and its repetition.
        """
        delay = None if self.delay_seconds is None else round(self.delay_seconds * 1000)
        return {
            "type": kind,
            "payload": self.payload,
            "at": self.instant,
            "delay": delay or None,
            "priority": NORMAL_PRIORITY if self.priority is None else self.priority,
            "retry": self.overrides(),
            "timeout": self.timeout_seconds,
            "tags": self.tags or {},
        }


class SubmitTask(Work):
    """A task to run: what (`type`), on what (`payload`), and when."""

    aliases: ClassVar[Mapping[str, str]] = SUBMIT_ALIASES

    idempotency_key: Annotated[str, AfterValidator(stripped_key)] | None = Field(
        None,
        description="The same key and body again answer the same task. The header Idempotency-Key does the same.",
        json_schema_extra={"minLength": 1, "maxLength": 256},
    )
    dependencies: Annotated[list[TaskId], Field(max_length=100)] | None = Field(
        None, description="Tasks that must succeed first. If one does not, this task is SKIPPED."
    )
    notify: Notify | None = Field(None, description="Whom to tell when it has ended: up to 10 webhooks and mails.")

    def meaning(self, kind: str) -> dict[str, Any]:
        return super().meaning(kind) | {
            "dependencies": sorted(set(self.dependencies or ())),
            "notify": kept_targets(self.notify),
        }


class ChangeTask(Timed):
    """What is to change of a task that has not started. What is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    aliases: ClassVar[Mapping[str, str]] = CHANGE_ALIASES

    priority: Priority | None = Field(
        None, description="As in a submit. Only another lane (7 to 9, 3 to 6, 0 to 2) changes when it runs."
    )
    payload: Any = Field(None, description="Replaces the payload whole; it must fit the schema of the task's type.")


R = TypeVar("R", bound=Request)


@dataclass(frozen=True)
class Parsed(Generic[R]):
    """`request`: None when there are `errors`. `fields`: as they came, under their canonical names."""

    request: R | None
    fields: dict[str, Any]
    names: dict[str, str]
    errors: list[FieldError]

    def name(self, field: str) -> str:
        """As the caller wrote it."""
        return self.names.get(field, field)


def parse(model: type[R], body: Mapping[str, Any], aliases: Mapping[str, str], given: Limits) -> Parsed[R]:
    """Everything that is wrong with the body itself, at once."""
    fields, names, errors = resolve(body, aliases)
    request = None
    try:
        request = model.model_validate(fields, context=given)
    except ValidationError as error:
        found = field_errors(error.errors(include_url=False, include_input=False), fields)
        errors += [FieldError(renamed(each.field, names), each.message) for each in found]
    if fields.get("delaySeconds") is not None:
        errors += [
            FieldError(names["delaySeconds"], f"give either this or {names[other]}, not both")
            for other in ("runAt", "availableAt")
            if fields.get(other) is not None
        ]
    return Parsed(None if errors else request, fields, names, errors)


def resolve(
    body: Mapping[str, Any], aliases: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str], list[FieldError]]:
    """The fields under their canonical names; canonical name → the caller's; fields that were given twice."""
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    errors = []
    for written, value in body.items():
        name = aliases.get(written, written)
        if name in fields:
            errors.append(FieldError(written, f"is another name for {names[name]}, which is given too"))
        else:
            fields[name], names[name] = value, written
    return fields, names, errors


def renamed(field: str, names: Mapping[str, str]) -> str:
    """`runAt` as the caller has it; `retry.jitter` likewise, its head only."""
    head = re.split(r"[.\[]", field, maxsplit=1)[0]
    return names.get(head, head) + field[len(head) :]


DIGEST_VERSION = "2:"


@dataclass(frozen=True)
class Fingerprint:
    """Tells a repeated request from another one under its idempotency key.

    `meaning`: of the request, as Work.meaning gives it. `fields`: as they came, under their canonical names.
    """

    meaning: Mapping[str, Any]
    fields: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Of what was understood, whatever its spelling. Kept in the record."""
        text = json.dumps(self.meaning)
        # One spelling of numbers: JSON knows no difference between 900 and 900.0, and some writers only the latter.
        return DIGEST_VERSION + hashed(json.loads(text, parse_float=number))[: 32 - len(DIGEST_VERSION)]

    def fits(self, digest: str) -> bool:
        """Whether a record with this digest is of the same request. Records of before version 2 hold one of the
        fields as they were spelled: a repetition in the same spelling is still known."""
        return digest == (self.digest if digest.startswith(DIGEST_VERSION) else spelled(self.fields))


def number(written: str) -> int | float:
    value = float(written)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def spelled(fields: Mapping[str, Any]) -> str:
    """The digest before version 2."""
    return hashed({n: v for n, v in fields.items() if n != "idempotencyKey" and (v is not None or n == "payload")})[:32]


def hashed(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
