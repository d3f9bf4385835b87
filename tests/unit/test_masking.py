"""Texts that quote what is sensitive."""

from __future__ import annotations

from typing import Any

import pytest

from functions.core.payloads.masking import MASK_TEXT, Mask, SecretRedactor, mask_value, masked_path_values, merge_masks

X = MASK_TEXT
PAYLOAD = {"token": 'sk-1"2\n3é', "pin": 987654, "on": True, "id": "ab", "auth": "Bearer abcdefgh.ijk"}
MASK: Mask = dict.fromkeys(PAYLOAD, 1)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('sent sk-1"2\n3é to it', f"sent {X} to it"),
        ('{"token": "sk-1\\"2\\n3é"}', f'{{"token": "{X}"}}'),
        ('{"token": "sk-1\\"2\\n3\\u00e9"}', f'{{"token": "{X}"}}'),
        ("{'token': 'sk-1\"2\\n3é'}", f"{{'token': '{X}'}}"),
        ("pin 987654, again 987654", f"pin {X}, again {X}"),
        ("Bearer abcdefgh.ijk", X),
        ("token abcdefgh.ijk is not known", f"token {X} is not known"),
        ("True, about ab", "True, about ab"),
        ("said Bearer abcd…", "said …"),
        ("…gh.ijk it said", "… it said"),
        ("no secret…", "no secret…"),
        ("", ""),
    ],
)
def test_redaction_text_loses_every_spelling_of_a_secret(text: str, clean: str) -> None:
    assert SecretRedactor.for_payload(MASK, PAYLOAD).redact_text(text) == clean


def test_redaction_value_cleans_texts_within() -> None:
    given: Any = {"a": ["x 987654", 987654, 5, None], "b": {"c": "abcdefgh.ijk"}}
    assert SecretRedactor.for_payload(MASK, PAYLOAD).redact_value(given) == {"a": [f"x {X}", X, 5, None], "b": {"c": X}}


def test_redaction_of_more_secrets_than_are_looked_for_hides_the_text() -> None:
    many = SecretRedactor.for_payload({"*": 1}, [f"secret{at}" for at in range(1001)])
    assert many.redact_text("nothing of them") == X


def test_redaction_of_nothing_leaves_texts_as_they_are() -> None:
    assert SecretRedactor.for_payload(None, PAYLOAD).redact_text("sent 987654") == "sent 987654"


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (None, None, None),
        (1, {"a": 1}, 1),
        ({"a": 1}, None, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"c": 1}, "d": 1}, {"a": {"b": 1, "c": 1}, "d": 1}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": 1}),
    ],
)
def test_merged_masks_what_either_masks(one: Any, other: Any, both: Any) -> None:
    assert merge_masks(one, other) == merge_masks(other, one) == both


def test_masked_entry_for_every_name_adds_to_the_entry_of_a_name() -> None:
    mask: Mask = {"*": {"x": 1}, "a": {"y": 1}}
    assert mask_value(mask, {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}}) == {
        "a": {"x": X, "y": X},
        "b": {"x": X, "y": 2},
    }


def test_places_have_path_and_value() -> None:
    assert list(masked_path_values({"a": {"*": 1}}, {"a": [{"b": 2}, None], "c": 3})) == [(("a", 0), {"b": 2})]
