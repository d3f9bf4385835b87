from __future__ import annotations

import functools
from typing import Any

import pytest
from pydantic import BaseModel

import functions.tasks
from functions.core.errors import InvalidRequest, UnknownTaskType
from functions.core.registry import Registry, TaskType, discover, registry, task
from functions.core.retry import RetryPolicy


class Payload(BaseModel):
    width: int


def kind(handler: Any) -> TaskType:
    found = handler.__task_type__
    assert isinstance(found, TaskType)
    return found


def test_a_handler_says_its_names_policy_and_model() -> None:
    @task("RESIZE", "resize", retry=RetryPolicy(max_attempts=7), timeout_seconds=9)
    def handler(ctx: Any, payload: Payload) -> None: ...

    found = kind(handler)
    assert (found.name, found.names, found.timeout_seconds) == ("RESIZE", ("RESIZE", "resize"), 9)
    assert (found.retry.max_attempts, found.payload_model, found.is_coroutine) == (7, Payload, False)


def test_coroutines_are_known_as_such() -> None:
    @task("A")
    async def handler(ctx: Any, payload: Any) -> None: ...

    assert kind(handler).is_coroutine


@pytest.mark.parametrize("payload", [{"a": 1}, None, "text", [1]])
def test_without_a_model_the_payload_is_taken_as_it_came(payload: Any) -> None:
    @task("A")
    def handler(ctx: Any, payload: dict[str, Any]) -> None: ...

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


def test_types_are_found_by_every_name_and_the_unknown_told_what_there_is() -> None:
    @task("A", "a")
    def handler(ctx: Any, payload: Any) -> None: ...

    found = registry(iter([kind(handler), kind(handler)]))
    assert found.find("a") is found.find("A")
    with pytest.raises(UnknownTaskType) as unknown:
        found.find("B")
    assert (unknown.value.type, unknown.value.known) == ("B", ["A", "a"])


def test_one_name_has_one_handler() -> None:
    def make() -> TaskType:
        @task("A")
        def handler(ctx: Any, payload: Any) -> None: ...

        return kind(handler)

    with pytest.raises(ValueError, match="two handlers"):
        registry(iter([make(), make()]))


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
    assert all(found.payload_model is not None for found in shipped().types.values())


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
    with pytest.raises(TypeError, match="CALL"):
        task("CALL", timeout_seconds=2, least_timeout_seconds=3)
