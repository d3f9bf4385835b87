"""Payloads checked by JSON Schema: where errors stand, what they say, and which parts are masked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, Json, Secret, SecretStr, TypeAdapter
from taskyard.tasks import Sensitive, task

from functions.core.errors import InvalidRequest
from functions.core.payloads.json_schema import PayloadSchema
from functions.core.payloads.model_schema import model_schema
from functions.core.pools import Pool
from functions.core.task_types import InvalidPayload, RegisteredType

IMAGES = Pool("images", ("images",), 600, False)


class Size(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int = Field(ge=1, le=10_000)
    height: int = 1


class Crop(BaseModel):
    kind: Literal["crop"]
    at: int


class Blur(BaseModel):
    kind: Literal["blur"]
    radius: float


class Node(BaseModel):
    child: Node | None = None
    name: str


class Image(BaseModel):
    url: str = Field(pattern="^https://")
    size: Size | None = None
    sizes: list[Size] = []
    box: tuple[int, int] | None = None
    mode: Literal["fit", "fill"] = "fit"
    source: Size | str | None = None
    step: Annotated[Crop | Blur, Field(discriminator="kind")] | None = None
    tree: Node | None = None
    labels: dict[str, int] = {}
    default: int = 0
    token: SecretStr | None = None
    number: Secret[int] | None = None
    parts: Annotated[list[str] | None, Sensitive()] = None
    note: Json[Size] | None = None


def check(model: Any = Image) -> PayloadSchema:
    made = PayloadSchema(model_schema(TypeAdapter(model)))
    made.compile()
    return made


OK: dict[str, Any] = {"url": "https://a"}
FULL: dict[str, Any] = OK | {
    "size": {"width": 1},
    "sizes": [{"width": 1, "height": 2}],
    "box": [1, 2],
    "mode": "fill",
    "source": "x",
    "step": {"kind": "blur", "radius": 1},
    "tree": {"name": "a", "child": {"name": "b", "child": None}},
    "labels": {"a.b": 1},
    "default": 3,
    "token": "abcdef",
    "number": 5,
    "parts": ["abcdef"],
    "note": "{}",
}


@pytest.mark.parametrize("payload", [OK, FULL, OK | {"size": None}, OK | {"source": {"width": 1}}])
def test_payload_that_fits_has_no_errors(payload: Any) -> None:
    TypeAdapter(Image).json_schema()
    assert check().errors(payload) == []


@pytest.mark.parametrize(
    ("payload", "errors"),
    [
        ({}, {"payload.url": "is required"}),
        (5, {"payload": "must be an object"}),
        ({"url": 5}, {"payload.url": "must be string"}),
        ({"url": "http://a"}, {"payload.url": "must match pattern ^https://"}),
        (OK | {"size": {}}, {"payload.size.width": "is required"}),
        (OK | {"size": "big"}, {"payload.size": "must be an object"}),
        (OK | {"size": {"width": 0}}, {"payload.size.width": "must be bigger than or equal to 1"}),
        (OK | {"size": {"width": 1, "deep": 2}}, {"payload.size.deep": "is not a known field"}),
        (
            OK | {"sizes": [{"width": 1}, {"width": "x"}, {"width": True}]},
            {"payload.sizes[1].width": "must be integer", "payload.sizes[2].width": "must be integer"},
        ),
        (OK | {"box": [1, "x"]}, {"payload.box[1]": "must be integer"}),
        (OK | {"mode": "other"}, {"payload.mode": "must be one of ['fit', 'fill']"}),
        (OK | {"source": 5}, {"payload.source": "fits none of the alternatives"}),
        (OK | {"source": {"width": "x"}}, {"payload.source.width": "must be integer"}),
        (OK | {"step": {"kind": "crop"}}, {"payload.step.at": "is required"}),
        (OK | {"step": {"kind": "blur", "radius": "x"}}, {"payload.step.radius": "must be number"}),
        (OK | {"tree": {"name": "a", "child": {"child": None}}}, {"payload.tree.child.name": "is required"}),
        (OK | {"labels": {"a.b": "x"}}, {'payload.labels["a.b"]': "must be integer"}),
        (OK | {"default": "x"}, {"payload.default": "must be integer"}),
        ({"url": 5, "mode": "x"}, {"payload.url": "must be string", "payload.mode": "must be one of ['fit', 'fill']"}),
    ],
)
def test_errors_stand_under_the_path_of_their_field(payload: Any, errors: dict[str, str]) -> None:
    assert {error.field: error.message for error in check().errors(payload)} == errors


@pytest.mark.parametrize(
    "payload",
    [
        {},
        5,
        OK | {"size": {}},
        OK | {"size": {"width": 0}},
        OK | {"size": {"width": 1, "deep": 2}},
        OK | {"sizes": [{"width": 1}, {"width": "x"}]},
        OK | {"box": [1, "x"]},
        OK | {"mode": "other"},
        OK | {"step": {"kind": "crop"}},
        OK | {"tree": {"name": "a", "child": {"child": None}}},
        OK | {"labels": {"a.b": "x"}},
    ],
)
def test_model_names_the_same_paths(payload: Any) -> None:
    @task("RESIZE")
    def resize(ctx: Any, payload: Image) -> None: ...

    kind = RegisteredType.of(resize.__task_type__, module="orders.images", attribute="resize", pool=IMAGES)  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest) as at_submit:
        kind.accept(payload)
    with pytest.raises(InvalidPayload) as at_worker:
        kind.argument(payload)
    assert [part.partition(":")[0] for part in str(at_worker.value).split("; ")] == [
        error.field for error in at_submit.value.errors
    ]


@pytest.mark.parametrize(
    ("payload", "mask"),
    [
        (OK, None),
        (OK | {"token": "abcdef"}, {"token": 1}),
        (OK | {"token": None}, None),
        (OK | {"number": 5}, {"number": 1}),
        (OK | {"parts": ["abcdef"]}, {"parts": 1}),
        (OK | {"note": "{}"}, {"note": 1}),
        (OK | {"unknown": "may be another name of a secret"}, {"unknown": 1}),
        ({"token": {"deep": "abcdef"}}, {"token": 1}),
        ("text", None),
    ],
)
def test_mask_covers_sensitive_parts(payload: Any, mask: Any) -> None:
    assert check().mask_for(payload) == mask


class Account(BaseModel):
    password: Annotated[str, Field(pattern="^[a-z]+$"), Sensitive()]
    others: list[Account] = []


def test_mask_of_nested_models_and_unions() -> None:
    payload = {"password": "abc", "others": [{"password": "def", "others": []}]}
    assert check(Account | None).mask_for(payload) == {"password": 1, "others": {"0": {"password": 1}}}
    assert check(dict[str, SecretStr] | list[SecretStr]).mask_for(["abc"]) == {"0": 1}


def test_model_without_sensitive_parts_masks_nothing() -> None:
    assert check(Size).mask_for({"width": 1, "unknown": "x"}) is None


def test_error_of_sensitive_value_does_not_quote_it() -> None:
    (error,) = check(Account).errors({"password": "S3CRET-VALUE"})
    assert error.field == "payload.password"
    assert "S3CRET" not in error.message


@pytest.fixture
def default_recursion_limit() -> Iterator[None]:
    """As on Lambda: libraries of other tests raise it for their process."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


def test_payload_that_is_nested_too_deeply_is_an_error(default_recursion_limit: None) -> None:
    payload: dict[str, Any] = {"name": "end"}
    for _ in range(3000):
        payload = {"name": "x", "child": payload}
    assert [error.message for error in check(Node).errors(payload)] == ["is nested too deeply"]


def test_type_of_importable_pool_is_checked_by_its_model() -> None:
    @task("RESIZE")
    def resize(ctx: Any, payload: Size) -> None: ...

    declaration = resize.__task_type__  # type: ignore[attr-defined]
    of_pool = RegisteredType.of(declaration, module="orders.images", attribute="resize", pool=IMAGES)
    built_in = RegisteredType.of(declaration, module="functions.tasks.resize", attribute="resize", pool=IMAGES)
    shared = RegisteredType.of(declaration, module="orders.images", attribute="resize")
    assert [each.is_importable for each in (of_pool, built_in, shared)] == [False, True, True]
    # The model takes "5" for a number, its JSON Schema does not.
    assert shared.accept({"width": "5"}) is None
    with pytest.raises(InvalidRequest):
        of_pool.accept({"width": "5"})


def test_submit_to_pool_of_own_packages_imports_no_handler() -> None:
    entry = {
        "name": "RESIZE",
        "aliases": [],
        "pool": "images",
        "module": "module_that_only_its_worker_has",
        "attribute": "resize",
        "is_coroutine": False,
        "timeout_seconds": None,
        "least_timeout_seconds": 1,
        "payload_schema": model_schema(TypeAdapter(Account)),
        "summary": "",
        "retry": {"max_attempts": 3, "strategy": "fixed", "base_seconds": 1, "max_seconds": 10, "jitter": 0},
    }
    kind = RegisteredType.from_json(entry, {"images": IMAGES})
    assert kind.accept({"password": "abc"}) == {"password": 1}
    with pytest.raises(InvalidRequest, match=r"payload\.password: is required"):
        kind.accept({})
    with pytest.raises(InvalidRequest, match=r"payload\.password: holds the mask of a value"):
        kind.accept({"password": "**********"})
