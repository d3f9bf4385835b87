"""Which parts of a payload are sensitive, for every way in which a model can hold such a part."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    TypeAdapter,
    field_validator,
)
from taskyard.tasks.sensitive import Sensitive
from typing_extensions import TypedDict

from functions.core.payloads.masking import MASK_TEXT, mask_value
from functions.core.payloads.sensitive import SensitiveParts

T = TypeVar("T")


class Login(BaseModel):
    user: str = ""
    password: SecretStr


class Token(SecretStr):
    pass


@dataclasses.dataclass
class Point:
    key: Annotated[str, Sensitive(), Field(min_length=1)]


class Options(TypedDict, total=False):
    key: SecretBytes


class Pair(NamedTuple):
    name: str
    key: SecretStr


class Box(BaseModel, Generic[T]):
    value: T


class Root(RootModel[dict[str, SecretStr]]):
    pass


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SecretStr] = Field(init=False)
    name: str = ""


class Tree(BaseModel):
    key: SecretStr | None = None
    children: list[Tree] = []


class Card(BaseModel):
    kind: str = "card"
    number: SecretStr


class Invoice(BaseModel):
    kind: str = "invoice"
    number: str


class Checked(BaseModel):
    key: SecretStr

    @field_validator("key", mode="before")
    @classmethod
    def stripped(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value


class Aliased(BaseModel):
    key: Annotated[str, Sensitive()] = Field(
        validation_alias=AliasChoices("apiKey", AliasPath("auth", "key"), AliasPath("list", 1))
    )


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    key: SecretStr = Field(alias="apiKey")


X = MASK_TEXT
CASES: list[tuple[Any, Any, Any]] = [
    (SecretStr, "s", X),
    (Token, "s", X),
    (Secret[int], 5, X),
    (Annotated[str, Sensitive()], "s", X),
    (Login, {"user": "u", "password": "s"}, {"user": "u", "password": X}),
    (Login, {"user": "u", "password": {"not": ["a", "string"]}}, {"user": "u", "password": X}),
    (Login, {"user": "u", "password": None}, {"user": "u", "password": None}),
    (Login, {"user": "u", "other": "o"}, {"user": "u", "other": "o"}),
    (list[Login], [{"password": "s"}, {"user": "u"}], [{"password": X}, {"user": "u"}]),
    (dict[str, list[SecretStr]], {"a": ["s", "t"], "b": []}, {"a": [X, X], "b": []}),
    (tuple[str, SecretStr], ["a", "s"], ["a", X]),
    (tuple[SecretStr, ...], ["s", "t"], [X, X]),
    (set[SecretStr], ["s"], [X]),
    (Login | dict[str, int], {"password": "s"}, {"password": X}),
    (dict[str, Card | Invoice], {"a": {"number": "s"}}, {"a": {"number": X}}),
    (Annotated[dict[str, Any], Sensitive()], {"deep": {"er": 1}}, X),
    (Annotated[Login | None, Sensitive()], {"user": "u"}, X),
    (Point, {"key": "s"}, {"key": X}),
    (Options, {"key": "s"}, {"key": X}),
    (Pair, ["n", "s"], ["n", X]),
    (Pair, {"name": "n", "key": "s"}, {"name": "n", "key": X}),
    (Box[SecretStr], {"value": "s"}, {"value": X}),
    (Box[Box[list[SecretStr]]], {"value": {"value": ["s"]}}, {"value": {"value": [X]}}),
    (Root, {"a": "s"}, {"a": X}),
    (Open, {"name": "n", "more": "s"}, {"name": "n", "more": X}),
    (Tree, {"children": [{"children": [{"key": "s"}]}]}, {"children": [{"children": [{"key": X}]}]}),
    (Checked, {"key": " s "}, {"key": X}),
    (Aliased, {"apiKey": "s"}, {"apiKey": X}),
    (Aliased, {"auth": {"key": "s", "user": "u"}}, {"auth": {"key": X, "user": "u"}}),
    (Aliased, {"list": ["a", "s", "b"]}, {"list": ["a", X, "b"]}),
    (Named, {"apiKey": "s"}, {"apiKey": X}),
    (Named, {"key": "s"}, {"key": X}),
    (Json[Login], '{"password":"s"}', X),
    (dict[str, Any], {"password": "s"}, {"password": "s"}),
    (Any, {"password": "s"}, {"password": "s"}),
]


@pytest.mark.parametrize(("annotation", "payload", "shown"), CASES, ids=[f"{at}" for at in range(len(CASES))])
def test_mask_every_place_of_a_sensitive_part_hides_it_alone(annotation: Any, payload: Any, shown: Any) -> None:
    mask = SensitiveParts(TypeAdapter(annotation).core_schema).mask_for(payload)
    assert mask_value(mask, payload) == shown
    assert (mask is None) == (shown == payload)


def test_mask_schema_of_an_unknown_kind_hides_all_of_it() -> None:
    inner = TypeAdapter(SecretStr).core_schema
    parts = SensitiveParts({"type": "of-a-later-pydantic", "somewhere": [{"type": "new", "within": inner}]})
    assert parts.mask_for({"a": "s"}) == 1


def test_mask_of_many_members_does_not_grow_with_them() -> None:
    parts = SensitiveParts(TypeAdapter(dict[str, list[Login]]).core_schema)
    payload = {f"name{at}": [{"password": "s"}] * 3 for at in range(100)}
    assert parts.mask_for({"a": [{"password": "s"}]}) == parts.mask_for(payload) == {"*": {"*": {"password": 1}}}


def test_mask_deep_unions_takes_each_part_of_the_payload_once() -> None:
    calls = 0

    class Counting(SensitiveParts):
        def _mask_of_value(self, states: Any, value: Any) -> Any:
            nonlocal calls
            calls += 1
            return super()._mask_of_value(states, value)

    class Left(BaseModel):
        child: Left | Right | None = None
        key: SecretStr | None = None

    class Right(BaseModel):
        child: Left | Right | None = None
        key: SecretStr | None = None

    Left.model_rebuild(_types_namespace={"Left": Left, "Right": Right})
    Right.model_rebuild(_types_namespace={"Left": Left, "Right": Right})
    payload: dict[str, Any] = {"key": "s"}
    for _ in range(40):
        payload = {"child": payload}
    assert Counting(TypeAdapter(Left | Right).core_schema).mask_for(payload) is not None
    assert calls == 42


def test_sensitive_field_is_write_only_in_its_schema() -> None:
    schema = TypeAdapter(Point).json_schema()
    assert schema["properties"]["key"] == {"title": "Key", "type": "string", "minLength": 1, "writeOnly": True}
