"""Results as JSON text."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import pathlib
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr, model_serializer
from taskyard.tasks.serialization import NotSerializable, json_text


class Price(BaseModel):
    amount: decimal.Decimal
    per: str = Field("piece", serialization_alias="perUnit")


class Odd(BaseModel):
    @model_serializer
    def write(self) -> Any:
        raise SystemExit


@dataclass
class Point:
    x: int
    where: Any = None


class Color(enum.Enum):
    RED = "red"


UTC = datetime.UTC


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1.5, None, True]}, '{"a":[1.5,null,true]}'),
        (Price(amount=decimal.Decimal("1.10")), '{"amount":"1.10","per":"piece"}'),
        ({"prices": [Price(amount=decimal.Decimal(2))]}, '{"prices":[{"amount":"2","per":"piece"}]}'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (datetime.datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00Z"'),
        (datetime.date(2026, 1, 1), '"2026-01-01"'),
        (datetime.timedelta(hours=1), '"PT1H"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ({7}, "[7]"),
        (frozenset(), "[]"),
        (b"abc", '"abc"'),
        (float("nan"), "null"),
        ({"x": [float("inf")]}, '{"x":[null]}'),
        (Point(1, decimal.Decimal(1)), '{"x":1,"where":"1"}'),
        (Color.RED, '"red"'),
        (pathlib.Path("/a"), '"/a"'),
        (deque([1]), "[1]"),
        (OrderedDict(a=1), '{"a":1}'),
        ((n for n in (1, 2)), "[1,2]"),
        ({(1, 2): 3}, '{"1,2":3}'),
        (SecretStr("password"), '"**********"'),
        ("ü 🦉", '"ü 🦉"'),
        (10**400, str(10**400)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_text_writes_what_pydantic_writes(value: Any, text: str) -> None:
    assert json_text(value) == text
    json.loads(text)


def itself() -> Any:
    found: dict[str, Any] = {"a": [1]}
    found["a"].append(found)
    return found


def deep() -> Any:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


class BadKey:
    def __str__(self) -> str:
        raise ZeroDivisionError

    __hash__ = object.__hash__


class BadItems(dict[str, Any]):
    def items(self) -> Any:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "result"),
        ({"rows": [1, {"by": object()}]}, "result.rows[1].by"),
        ((1, object()), "result[1]"),
        (Point(1, object()), "result.where"),
        ([Price.model_construct(amount=object())], "result[0].amount"),
        ({"a": "\ud800"}, "result.a"),
        ({"a": b"\xff"}, "result.a"),
        ({"a": [10**5000]}, "result.a[0]"),
        ({"a": {"b": Odd()}}, "result.a.b"),
        ([ValueError("an error")], "result[0]"),
        (itself(), "result.a[1]"),
        ({"a": {BadKey(): 1}}, "result.a"),
        ([BadItems(a=object())], "result[0]"),
        (lambda: None, "result"),
    ],
    ids=[
        "object",
        "nested",
        "tuple",
        "dataclass",
        "model",
        "surrogate",
        "bytes",
        "int",
        "serializer",
        "error",
        "cycle",
        "key",
        "items",
        "function",
    ],
)
def test_json_text_names_the_path_of_what_cannot_be_written(value: Any, path: str) -> None:
    with pytest.raises(NotSerializable) as error:
        json_text(value)
    assert error.value.path == path
    assert str(error.value).startswith(f"{path}: ")


def test_json_text_of_what_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(NotSerializable, match="nested too deeply"):
        json_text(deep())


def test_json_text_of_plain_values_does_not_import_pydantic() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from taskyard.tasks.serialization import json_text; json_text({'a': [1]});"
        "sys.exit('pydantic_core' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
