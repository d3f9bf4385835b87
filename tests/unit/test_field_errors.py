"""What pydantic finds is told under the names that the caller wrote."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from functions.core.field_errors import NAME_CHARACTERS, field_errors, field_path, join_paths


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = 0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str | list[str]
    content: str | None = Field(default=None, validation_alias=AliasChoices("content", "html"))
    sender: str | None = Field(default=None, alias="from")
    inner: list[Inner] = []


def errors(value: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(value)
    found = field_errors(raised.value.errors(include_url=False), value, under="payload")
    return {error.field: error.message for error in found}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, {"payload.to": "is required"}),
        ({"to": "a", "from": 1}, {"payload.from": "Input should be a valid string"}),
        ({"to": "a", "html": 1}, {"payload.html": "Input should be a valid string"}),
        ({"to": 1}, {"payload.to": "Input should be a valid string or Input should be a valid list"}),
        ({"to": ["a", 1]}, {"payload.to[1]": "Input should be a valid string"}),
        ({"to": "a", "inner": [{}, {"cuont": 1}]}, {"payload.inner[1].cuont": "is not a known field"}),
        (None, {"payload": "must be an object"}),
        ({"to": "a", "inner": [3]}, {"payload.inner[0]": "must be an object"}),
    ],
)
def test_each_error_is_under_the_callers_own_path(value: Any, expected: dict[str, str]) -> None:
    assert errors(value) == expected


def test_a_path_reads_like_code() -> None:
    assert field_path("nodes", 3, "dependsOn", 0) == "nodes[3].dependsOn[0]"
    assert field_path("nodes", "über-all", "tags", "") == 'nodes.über-all.tags[""]'
    assert field_path("nodes", 'model.shop."a"', "payload", "to") == 'nodes["model.shop.\\"a\\""].payload.to'
    assert join_paths("task", "payload") == "task.payload"
    assert join_paths("nodes", '["a.b"].name') == 'nodes["a.b"].name'


def test_a_long_name_is_cut_wherever_it_stands() -> None:
    assert field_path("n" * 1000, "x") == "n" * NAME_CHARACTERS + "….x"
    assert field_path("nodes", "n" * 1000) == f'nodes["{"n" * NAME_CHARACTERS}…"]'
    assert field_path("nodes", "n" * NAME_CHARACTERS) == f"nodes.{'n' * NAME_CHARACTERS}"
