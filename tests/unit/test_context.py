"""The context by itself; tests/integration/test_worker_context.py has it with the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from taskyard.tasks import signature
from taskyard.tasks.context import Context
from taskyard.tasks.effects import Effect
from taskyard.tasks.errors import InDoubt, LeaseLost, Permanent, Retry
from taskyard.tasks.http import HttpRequest, HttpResponse


class Notes:
    """A record in memory."""

    def __init__(self) -> None:
        self.effects: dict[str, Effect] = {}
        self.said: list[str] = []
        self.mine = True

    def reserve(self, name: str) -> Effect | None:
        found = self.effects.get(name)
        self.effects.setdefault(name, Effect(False, 1))
        return found

    def record(self, name: str, result: str | None, problem: str | None) -> Effect:
        self.effects[name] = Effect(True, 1, None if result is None else json.loads(result), problem)
        return self.effects[name]

    def release(self, name: str) -> None:
        del self.effects[name]

    def progress(self, fraction: float, note: str) -> bool:
        return self.mine

    def log(self, line: str, fields: Mapping[str, Any]) -> None:
        self.said.append(line)
        # As the formatter of Lambda's logs does.
        json.dumps(dict(fields)).encode()


class NoMail:
    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        raise NotImplementedError


class NoHttp:
    def send(self, request: HttpRequest, *, seconds: float) -> HttpResponse:
        raise NotImplementedError


class OneSecret:
    def keys(self, tenant: str, name: str) -> tuple[bytes, ...]:
        return (f"{tenant}/{name}".encode().ljust(24),)


def context(notes: Notes) -> Context:
    return Context(
        task_id="x",
        tenant="t",
        type="A",
        attempt=2,
        max_attempts=3,
        deadline=130.0,
        tags={},
        inputs={},
        mail=NoMail(),
        http=NoHttp(),
        secrets=OneSecret(),
        now=lambda: 100.0,
        _recorder=notes,
    )


def raising(error: Exception) -> Any:
    def effect() -> None:
        raise error

    return effect


def test_once() -> None:
    ctx = context(Notes())
    assert ctx.once("a", lambda: 7) == 7
    assert ctx.once("a", lambda: 8) == 7
    assert ctx.once("b", lambda: 9) == 9


@pytest.mark.parametrize("error", [Retry(), Permanent()])
def test_an_effect_that_did_not_happen_may_happen_later(error: Exception) -> None:
    ctx = context(Notes())
    with pytest.raises(type(error)):
        ctx.once("a", raising(error))
    assert ctx.once("a", lambda: 7) == 7


def test_an_effect_that_raised_anything_else_is_in_doubt() -> None:
    ctx = context(Notes())
    with pytest.raises(OSError, match="cut off"):
        ctx.once("a", raising(OSError("cut off")))
    with pytest.raises(InDoubt) as doubt:
        ctx.once("a", lambda: 7)
    assert (doubt.value.name, doubt.value.attempt) == ("a", 1)


def test_once_async() -> None:
    ctx = context(Notes())

    async def effect() -> int:
        return 7

    async def twice() -> list[int]:
        return [await ctx.once_async("a", effect), await ctx.once_async("a", effect)]

    assert asyncio.run(twice()) == [7, 7]


def test_remaining_is_never_less_than_nothing() -> None:
    ctx = context(Notes())
    assert ctx.remaining() == 30
    ctx.deadline = 99.0
    assert ctx.remaining() == 0


def test_progress_of_a_zombie_raises() -> None:
    notes = Notes()
    context(notes).progress(1)
    notes.mine = False
    with pytest.raises(LeaseLost):
        context(notes).progress(1)


class Unprintable:
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class OddText(str):
    def __len__(self) -> int:
        raise RuntimeError

    def __str__(self) -> str:
        return self


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (ValueError("connection refused"), "ValueError: connection refused"),
        (KeyError("customer"), "KeyError: 'customer'"),
        (ValueError(), "ValueError"),
        (None, "None"),
        (b"bytes", "b'bytes'"),
        ({"a": 1}, "{'a': 1}"),
        (Unprintable(), "Unprintable could not be described: its text raised KeyboardInterrupt"),
        (OddText("odd"), "odd"),
        ("half \ud800", "half ?"),
        (10**5000, "int could not be described: its text raised ValueError"),
        ("x" * 10_000_000, "x" * 499 + "…"),
    ],
    ids=["error", "key error", "no text", "none", "bytes", "dict", "unprintable", "odd", "surrogate", "int", "huge"],
)
def test_log_takes_anything(message: Any, line: str) -> None:
    notes = Notes()
    context(notes).log(message)
    assert notes.said == [line]


ODD = [Unprintable(), "\ud800", b"b", 10**5000, float("nan"), {1, 2}, OddText("x"), object()]


@pytest.mark.parametrize("value", ODD, ids=[type(value).__name__ for value in ODD])
def test_log_takes_any_field(value: Any) -> None:
    notes = Notes()
    context(notes).log("text", message=value, self=value)
    assert notes.said[0].startswith("text {")


@pytest.mark.parametrize("name", ["", "x" * 501, "ü" * 251, "a\nb", "\ud800", None, 7, b"send"])
def test_once_refuses_a_name_before_anything_happens(name: Any) -> None:
    notes = Notes()
    with pytest.raises(ValueError, match="name of an effect"):
        context(notes).once(name, lambda: 7)
    assert notes.effects == {}


def test_once_of_a_coroutine_is_refused_and_may_be_asked_for_again() -> None:
    async def effect() -> int:
        return 7

    ctx = context(Notes())
    with pytest.raises(TypeError, match="once_async"):
        ctx.once("a", effect)
    assert ctx.once("a", lambda: 7) == 7


def test_once_returns_what_json_makes_of_the_result() -> None:
    ctx = context(Notes())
    assert [ctx.once("a", lambda: (1, 2)), ctx.once("a", lambda: None)] == [[1, 2], [1, 2]]


def test_log_lines_are_written_as_they_are_kept() -> None:
    notes = Notes()
    context(notes).log("half \ud800", number=7)
    assert notes.said == ["half ? {'number': 7}"]


def test_a_body_is_signed_by_the_secret_of_the_tasks_own_tenant() -> None:
    key = b"t/partner".ljust(24)
    assert context(Notes()).signed(b"{}", secret="partner") == signature.signature_headers(
        [key], id="x", at=100, body=b"{}"
    )
