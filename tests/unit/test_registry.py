from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, create_model
from taskyard.tasks.declaration import task
from taskyard.tasks.errors import TaskFileError
from taskyard.tasks.retry import RetryPolicy
from taskyard.tasks.task_type import TaskType
from typing_extensions import TypedDict

import functions.tasks
from functions.build.task_types import discover
from functions.core.errors import InvalidRequest, UnknownTaskType
from functions.core.task_types import RegisteredType, Registry


class Payload(BaseModel):
    width: int


def kind(handler: Any) -> RegisteredType:
    found = handler.__task_type__
    assert isinstance(found, TaskType)
    return RegisteredType.of(found, module=__name__, attribute="handler")


def taking(annotation: Any) -> RegisteredType:
    """A type whose payload is annotated so."""

    def handler(ctx: Any, payload: Any) -> None: ...

    handler.__annotations__["payload"] = annotation
    return kind(task("A")(handler))


def test_a_handler_says_its_names_policy_and_model() -> None:
    @task("RESIZE", "resize", retry=RetryPolicy(max_attempts=7), timeout_seconds=9)
    def handler(ctx: Any, payload: Payload) -> None: ...

    found = kind(handler)
    assert (found.name, found.names, found.timeout_seconds) == ("RESIZE", ("RESIZE", "resize"), 9)
    assert (found.retry.max_attempts, found.declaration.payload_model, found.is_coroutine) == (7, Payload, False)


def test_coroutines_are_known_as_such() -> None:
    @task("A")
    async def handler(ctx: Any, payload: Any) -> None: ...

    assert kind(handler).is_coroutine


@pytest.mark.parametrize("payload", [{"a": 1}, None, "text", [1]])
def test_parse_annotation_any_returns_payload_as_it_came(payload: Any) -> None:
    @task("A")
    def handler(ctx: Any, payload: Any) -> None: ...

    assert kind(handler).parse(payload) == payload


def test_what_does_not_fit_is_told_by_field() -> None:
    @task("A")
    def handler(ctx: Any, payload: Payload) -> None: ...

    assert kind(handler).parse({"width": 7}) == Payload(width=7)
    with pytest.raises(InvalidRequest) as refused:
        kind(handler).parse({"width": "wide"})
    assert [error.field for error in refused.value.errors] == ["payload.width"]


def test_a_handler_takes_two_and_has_a_name() -> None:
    with pytest.raises(TypeError, match=r"must take \(ctx, payload\)"):

        @task("A")
        def handler(payload: Any) -> None: ...

    with pytest.raises(TypeError, match="needs the name"):
        task()


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (datetime, "2026-02-01T10:00:00Z"),
        (date, "2026-02-01"),
        (timedelta, "PT5M"),
        (UUID, "00000000-0000-0000-0000-000000000001"),
        (Decimal, "1.10"),
        (Decimal, 0.1),
        (bytes, "abc"),
        (Path, "/tmp"),
        (HttpUrl, "https://example.com/"),
        (Colour, "red"),
        (tuple[int, int], [1, 2]),
        (frozenset[int], [1]),
        (dict[int, str], {"1": "a"}),
        (float, 1),
        (int, 12345678901234567890),
    ],
)
def test_parse_strict_model_takes_what_json_can_say(annotation: Any, written: Any) -> None:
    model = create_model("Strict", __config__=ConfigDict(strict=True), value=(annotation, ...))
    found = taking(model)
    found.accept({"value": written})
    assert isinstance(found.parse({"value": written}), model)


@pytest.mark.parametrize(("annotation", "written"), [(int, "1"), (str, 1), (bool, "true"), (int, 1.5)])
def test_parse_strict_model_refuses_another_json_type(annotation: Any, written: Any) -> None:
    model = create_model("Strict", __config__=ConfigDict(strict=True), deep=(list[dict[str, annotation]], ...))
    with pytest.raises(InvalidRequest) as refused:
        taking(model).parse({"deep": [{"a": written}]})
    assert [error.field for error in refused.value.errors] == ["payload.deep[0].a"]


class Sizes(TypedDict):
    width: int


@dataclasses.dataclass
class Size:
    width: int


@pytest.mark.parametrize(
    ("annotation", "wrong"),
    [
        (Payload, "payload.width"),
        (Sizes, "payload.width"),
        (Size, "payload.width"),
        (dict[str, int], "payload.width"),
        (Mapping[str, int], "payload.width"),
        (Annotated[dict[str, int], Field(min_length=1)], "payload.width"),
        (list[int], "payload"),
        (dict[str, Any] | None, None),
        (Payload | Size, "payload.width"),
    ],
)
def test_parse_checks_every_annotation_that_pydantic_can(annotation: Any, wrong: str | None) -> None:
    found = taking(annotation)
    assert found.declaration.payload_model == annotation
    if wrong is None:
        assert found.parse({"width": "wide"}) == {"width": "wide"}
        return
    with pytest.raises(InvalidRequest) as refused:
        found.parse({"width": "wide"})
    assert [error.field for error in refused.value.errors] == [wrong]


@pytest.mark.parametrize(("declared", "limit", "seconds"), [(None, 50, 30), (None, 20, 20), (20, 50, 20), (50, 50, 50)])
def test_timeout_undeclared_is_what_workers_have(declared: int | None, limit: int, seconds: int) -> None:
    @task("A", timeout_seconds=declared)
    def handler(ctx: Any, payload: Any) -> None: ...

    assert kind(handler).timeout(limit) == seconds


def test_types_are_found_by_every_name_and_the_unknown_told_what_there_is() -> None:
    @task("A", "a")
    def handler(ctx: Any, payload: Any) -> None: ...

    one = kind(handler)
    found = Registry.of([one, one])
    assert found.find("a") is found.find("A")
    with pytest.raises(UnknownTaskType) as unknown:
        found.find("B")
    assert (unknown.value.type, unknown.value.known_types) == ("B", ["A", "a"])


def test_one_name_has_one_handler() -> None:
    def make() -> RegisteredType:
        @task("A")
        def handler(ctx: Any, payload: Any) -> None: ...

        return kind(handler)

    with pytest.raises(ValueError, match="two handlers"):
        Registry.of([make(), make()])


@functools.cache
def shipped() -> Registry:
    return discover(functions.tasks)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("SEND_EMAIL", "send_email"),
        ("email", "send_email"),
        ("welcome-email", "welcome_email"),
        ("DELAYED_MESSAGE", "delayed_message"),
        ("FAIL_SOMETIMES", "fail_sometimes"),
        ("WEBHOOK_CALL", "webhook_call"),
    ],
)
def test_the_shipped_types_under_the_names_that_are_asked_for(name: str, module: str) -> None:
    assert shipped().find(name).handler.__module__ == f"functions.tasks.{module}"


def test_every_shipped_type_declares_its_payload() -> None:
    assert all(found.declaration.payload_model is not None for found in shipped().types.values())


def test_a_type_says_the_least_time_out_that_a_task_may_ask_for() -> None:
    @task("CALL", least_timeout_seconds=3)
    def handler(ctx: Any, payload: Any) -> None: ...

    assert [kind(handler).timeout_problem(seconds) is None for seconds in (2, 2.9, 3, None, "2")] == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_a_least_time_out_above_the_types_own_is_refused() -> None:
    with pytest.raises(TaskFileError, match="below the least_timeout_seconds of 3 s"):
        task("CALL", timeout_seconds=2, least_timeout_seconds=3)


def test_registry_as_json_is_the_same_and_loads_handlers_by_name() -> None:
    read = Registry.from_json(shipped().to_json())
    assert read.names() == shipped().names()
    for name, each in read.types.items():
        original = shipped().find(name)
        assert each.declaration is original.declaration
        assert each.to_json() == original.to_json()
    assert read.to_json() == shipped().to_json()


def test_registered_type_says_of_its_declaration_what_the_file_needs() -> None:
    found = shipped().find("webhook").to_json()
    schema = found.pop("payload_schema")
    assert found == {
        "name": "WEBHOOK_CALL",
        "aliases": ["webhook"],
        "pool": "default",
        "module": "functions.tasks.webhook_call",
        "attribute": "webhook_call",
        "is_coroutine": False,
        "timeout_seconds": None,
        "least_timeout_seconds": 2,
        "retry": dataclasses.asdict(RetryPolicy()),
        "summary": "At least once: the receiver knows a repetition by the Idempotency-Key, which is the task's id.",
    }
    assert schema["properties"]["method"]["enum"] == ["POST", "PUT", "PATCH"]


def test_registered_type_without_a_payload_model_has_no_schema() -> None:
    @task("A")
    def handler(ctx: Any, payload: Any) -> None: ...

    assert kind(handler).payload_schema is None


def test_registry_without_its_file_says_who_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.runtime import wiring

    monkeypatch.setattr(wiring, "TASK_TYPES_FILE", str(tmp_path / "task-types.json"))
    wiring.registry.cache_clear()
    with pytest.raises(wiring.TaskTypesMissingError, match=r"task-types\.json is missing: the build writes it"):
        wiring.registry()
