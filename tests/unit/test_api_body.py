"""Whatever bytes come as a body: a JSON object, or a refusal that says why."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from functions.intake.body import DEPTH_LIMIT, MalformedBody, UnsupportedMediaType, parse


def body(text: str | bytes | None, content_type: str | None = "application/json") -> Any:
    if isinstance(text, bytes):
        return parse(base64.b64encode(text).decode(), is_base64=True, content_type=content_type)
    return parse(text, is_base64=False, content_type=content_type)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "empty"),
        ("", "empty"),
        (" \n", "empty"),
        ("{", "not JSON"),
        ('{"a": 1,}', "not JSON"),
        ("[]", "not an object"),
        ('"text"', "not an object"),
        ("null", "not an object"),
        (b"\xff\xfe{}", "not UTF-8"),
        ('{"a": "\ud800"}', "not UTF-8"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' twice"),
        ('{"nodes": {"x": {"n": 1, "n": 1}}}', "'n' twice"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": 1e400}', "beyond"),
        (f'{{"a": {"9" * 5000}}}', "too many digits"),
        ("[" * 100_000, "nested"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested"),
        ('{"a":' * (DEPTH_LIMIT + 1) + "1" + "}" * (DEPTH_LIMIT + 1), "nested"),
    ],
)
def test_what_is_no_json_object_is_refused(text: str | bytes | None, said: str) -> None:
    with pytest.raises(MalformedBody, match=said):
        body(text)


def test_base64_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedBody, match="base64"):
        parse("%%%", is_base64=True, content_type=None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\\ud83d\\ude00 \\u0000"}', {"a": "😀 \0"}),
        ('{"a": "äöü"}'.encode(), {"a": "äöü"}),
        (b"\xef\xbb\xbf{}", {}),
        ('{"a":' * DEPTH_LIMIT + "1" + "}" * DEPTH_LIMIT, None),
        ('{"a": [1, 2.5, -0.0, 1e300]}', {"a": [1, 2.5, 0.0, 1e300]}),
    ],
)
def test_every_json_object_is_read(text: str | bytes, value: Any) -> None:
    assert body(text) == value or value is None


@pytest.mark.parametrize("media_type", [None, "", "application/json", "Application/JSON; charset=utf-8", "a/b+json"])
def test_json_may_be_said_in_several_ways(media_type: str | None) -> None:
    assert body("{}", media_type) == {}


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "nonsense"])
def test_what_is_said_to_be_something_else_is_refused(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=media_type):
        body("{}", media_type)


def test_what_curl_says_unless_told_otherwise_is_taken_for_json_when_it_looks_like_it() -> None:
    curls = "application/x-www-form-urlencoded"
    assert body(' {"a": 1}', curls) == {"a": 1}
    with pytest.raises(UnsupportedMediaType, match=curls):
        body("a=1&b=2", curls)
