"""The task types of a deployment, as data: what `task-types.json` in the code asset says of each.

The build writes that file (functions/build/task_types.py). The handlers, which declare their types with `@task`, are
imported one by one: each when its type's first payload is checked or its first task runs.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from taskyard.tasks.errors import Permanent
from taskyard.tasks.retry import RetryPolicy
from taskyard.tasks.task_type import DEFAULT_TIMEOUT_SECONDS, TaskType

from functions.core.errors import FieldError, InvalidRequest, UnknownTaskType
from functions.core.field_errors import field_errors, field_path
from functions.core.payloads.masking import MASK_TEXT, Mask, SecretRedactor, masked_path_values
from functions.core.pools import DEFAULT, DEFAULT_POOL, Pool

if TYPE_CHECKING:
    from functions.core.payloads.json_schema import PayloadSchema
    from functions.core.payloads.sensitive import SensitiveParts

BUILT_IN_PACKAGE = "functions.tasks"
"""In the code of every function, with nothing that the base packages do not have."""


class InvalidPayload(Permanent):
    """The payload of a task does not fit the model of its handler. Every further attempt would end alike."""


@dataclass(frozen=True, kw_only=True)
class RegisteredType:
    """`names[0]` is the name that is stored and shown; the others are accepted for it. `module`, `attribute`: where its
    handler stands. `pool`: runs it. `payload_schema`: JSON Schema of the payload; None: the handler takes any. The
    other fields are as in taskyard.tasks.TaskType."""

    names: tuple[str, ...]
    pool: Pool
    module: str
    attribute: str
    is_coroutine: bool
    retry: RetryPolicy
    timeout_seconds: int | None
    least_timeout_seconds: int
    payload_schema: Mapping[str, Any] | None
    summary: str
    load: Callable[[], TaskType]
    """Imports the handler's module. Raises what that raises."""

    @classmethod
    def of(cls, declaration: TaskType, *, module: str, attribute: str, pool: Pool = DEFAULT) -> RegisteredType:
        """Of a handler that is imported already. Raises what pydantic raises for a payload without a JSON Schema."""
        schema = None
        if declaration.payload_model is not None:
            from functions.core.payloads.model_schema import model_schema

            schema = model_schema(declaration.adapter)
        return cls(
            names=declaration.names,
            pool=pool,
            module=module,
            attribute=attribute,
            is_coroutine=declaration.is_coroutine,
            retry=declaration.retry,
            timeout_seconds=declaration.timeout_seconds,
            least_timeout_seconds=declaration.least_timeout_seconds,
            payload_schema=schema,
            summary=declaration.summary,
            load=lambda: declaration,
        )

    @classmethod
    def from_json(cls, entry: Mapping[str, Any], pools: Mapping[str, Pool]) -> RegisteredType:
        """`entry`: as to_json made it. `pools`: by name."""
        data = {name: entry[name] for name in FIELDS}
        return cls(
            names=(entry["name"], *entry["aliases"]),
            pool=pools[entry["pool"]],
            retry=RetryPolicy(**entry["retry"]),
            load=partial(load_declaration, entry["module"], entry["attribute"]),
            **data,
        )

    def to_json(self) -> dict[str, Any]:
        data = {name: getattr(self, name) for name in FIELDS}
        names = {"name": self.name, "aliases": list(self.names[1:])}
        return {**names, "pool": self.pool.name, "retry": asdict(self.retry), **data}

    @property
    def name(self) -> str:
        return self.names[0]

    @cached_property
    def declaration(self) -> TaskType:
        return self.load()

    @property
    def handler(self) -> Callable[..., Any]:
        return self.declaration.handler

    def timeout_problem(self, seconds: Any) -> str | None:
        """What is wrong with a `timeoutSeconds` that a task asks for. None: nothing, or it is no number at all."""
        least = self.least_timeout_seconds
        if isinstance(seconds, int | float) and seconds < least:
            return f"must be at least {least} for {self.name}: in less it can do nothing"
        return None

    def timeout(self, limit: int) -> int:
        """Seconds that an attempt may run. `limit`: the most that a worker gives; what a type declares is below it, or
        the stack is not synthesized (functions/build/task_files.py)."""
        return min(DEFAULT_TIMEOUT_SECONDS, limit) if self.timeout_seconds is None else self.timeout_seconds

    @cached_property
    def _sensitive(self) -> SensitiveParts:
        from functions.core.payloads.sensitive import SensitiveParts

        return SensitiveParts(self.declaration.adapter.core_schema)

    def mask(self, payload: Any) -> Mask | None:
        """Of the parts of this payload that only the handler may see; None when there are none."""
        return None if self.payload_schema is None else self._sensitive.mask_for(payload)

    @cached_property
    def is_importable(self) -> bool:
        """Whether this function can import the handler, with its packages and the code that it has. The worker of one
        pool may not have the code of another, whose tasks its handlers submit."""
        if not (self.pool.shares_base or self.module.startswith(f"{BUILT_IN_PACKAGE}.")):
            return False
        try:
            _ = self.declaration
        except ModuleNotFoundError as error:
            if error.name is not None and f"{self.module}.".startswith(f"{error.name}."):
                return False
            raise
        return True

    @cached_property
    def schema_check(self) -> PayloadSchema:
        """Of a type with a payload_schema."""
        from functions.core.payloads.json_schema import PayloadSchema

        return PayloadSchema(self.payload_schema or {})

    def accept(self, payload: Any) -> Mask | None:
        """Checks the payload of a request; the mask to store with it. Raises InvalidRequest. By the model; by its JSON
        Schema, where the model cannot be imported."""
        by_schema = self.payload_schema is not None and not self.is_importable
        mask = self.schema_check.mask_for(payload) if by_schema else self.mask(payload)
        starred = [
            field_path("payload", *where) for where, value in masked_path_values(mask, payload) if value == MASK_TEXT
        ]
        errors = [FieldError(where, "holds the mask of a value, not the value itself") for where in starred]
        try:
            if not by_schema:
                self.parse(payload)
            elif found := self.schema_check.errors(payload):
                raise InvalidRequest(found)
        except InvalidRequest as error:
            errors += [each for each in error.errors if each.field not in starred]
        if errors:
            raise InvalidRequest(errors)
        return mask

    def argument(self, payload: Any) -> Any:
        """What the worker calls the handler with. Raises InvalidPayload: the model, or the check at submit, was another
        one when the task was submitted."""
        try:
            return self.parse(payload)
        except InvalidRequest as error:
            raise InvalidPayload(str(error)) from None

    def parse(self, payload: Any) -> Any:
        """The payload as the handler takes it. Raises InvalidRequest with the path of every field that does not fit. No
        error quotes what is sensitive."""
        if self.payload_schema is None:
            return payload
        from pydantic import ValidationError

        try:
            return self.declaration.validate(payload)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False, include_context=False)
            redactor = SecretRedactor.for_payload(self.mask(payload), payload)
            errors = field_errors(details, payload, under="payload")
            raise InvalidRequest(
                [FieldError(each.field, redactor.redact_text(each.message)) for each in errors]
            ) from None
        except Exception as error:
            # Of a validator of the model's own.
            text = f"{type(error).__name__}: {error}"
            clean = SecretRedactor.for_payload(self.mask(payload), payload).redact_text(text)
            if clean == text:
                raise
            raise RuntimeError(clean).with_traceback(error.__traceback__) from None


FIELDS = (
    "module",
    "attribute",
    "is_coroutine",
    "timeout_seconds",
    "least_timeout_seconds",
    "payload_schema",
    "summary",
)
"""Of a RegisteredType, those that stand in JSON as they are."""


def load_declaration(module: str, attribute: str) -> TaskType:
    declaration = getattr(importlib.import_module(module), attribute).__task_type__
    assert isinstance(declaration, TaskType)
    return declaration


@dataclass(frozen=True)
class Registry:
    types: dict[str, RegisteredType] = field(default_factory=dict)
    """By every name that is accepted."""
    pools: dict[str, Pool] = field(default_factory=lambda: {DEFAULT_POOL: DEFAULT})
    """By name. The default pool is always one of them."""

    @classmethod
    def of(cls, types: Iterable[RegisteredType], pools: Iterable[Pool] = ()) -> Registry:
        """`pools`: those that may have no types; the pools of `types` are known by them. Raises ValueError when two
        types claim one name: which one runs must not depend on the order of files."""
        by_name: dict[str, RegisteredType] = {}
        for each in types:
            for name in each.names:
                if (other := by_name.setdefault(name, each)) is not each:
                    handlers = " and ".join(f"{one.module}.{one.attribute}" for one in (other, each))
                    raise ValueError(f"task type {name!r} has two handlers: {handlers}")
        known_pools = {DEFAULT_POOL: DEFAULT} | {pool.name: pool for pool in pools}
        return cls(by_name, known_pools | {each.pool.name: each.pool for each in by_name.values()})

    @classmethod
    def from_json(cls, text: str) -> Registry:
        """`text`: of task-types.json."""
        document = json.loads(text)
        pools = {name: Pool.from_json(name, entry) for name, entry in document["pools"].items()}
        return cls.of((RegisteredType.from_json(entry, pools) for entry in document["task_types"]), pools.values())

    def to_json(self) -> str:
        types = sorted({each.name: each for each in self.types.values()}.items())
        document = {
            "pools": {name: pool.to_json() for name, pool in sorted(self.pools.items())},
            "task_types": [each.to_json() for _, each in types],
        }
        return json.dumps(document, ensure_ascii=False, indent=1)

    def find(self, name: str) -> RegisteredType:
        """Raises UnknownTaskType, which lists the known ones."""
        registered = self.types.get(name)
        if registered is None:
            raise UnknownTaskType(name, self.names())
        return registered

    def pool_of(self, name: str) -> Pool:
        """Of the type with this name; the default pool, when there is none."""
        registered = self.types.get(name)
        return self.pools[DEFAULT_POOL] if registered is None else registered.pool

    def names(self) -> list[str]:
        return sorted(self.types)
