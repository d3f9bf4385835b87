"""Masks of the sensitive parts of a payload, and the redaction of texts that quote these parts.

A mask says where the sensitive parts are. Submit makes it with the payload's model (functions/core/payloads/
sensitive.py) and stores it with the payload, so that views need no model. It is a tree of the payload's names: `1`
marks a part that is masked whole, `*` stands for every name or index. `{"headers": {"*": 1}}` masks the value of
every header.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Union

MASK_TEXT = "**********"
"""The text that pydantic's SecretStr shows."""
WILDCARD = "*"
MIN_SECRET_CHARACTERS = 4
"""A shorter secret is not searched for in texts: it would match parts of ordinary words."""
MIN_SECRET_WORD_CHARACTERS = 8
"""In a secret of several words, like `Bearer 5f2c…`, each word of this length is searched for on its own too."""
MAX_SECRETS = 1000
"""Secrets that are searched for in a text. With more of them, the text is masked whole."""
ELLIPSIS = "…"

Mask = Union[Literal[1], dict[str, "Mask"]]  # noqa: UP007 - the alias names itself
MASK_WHOLE: Literal[1] = 1


def mask_value(mask: Mask | None, value: Any) -> Any:
    """`value` with its sensitive parts replaced. null stays null: there is nothing to hide."""
    if mask is None or value is None:
        return value
    if not isinstance(mask, dict):
        return MASK_TEXT
    if isinstance(value, dict):
        return {name: mask_value(mask_below(mask, name), each) for name, each in value.items()}
    if isinstance(value, list):
        return [mask_value(mask_below(mask, str(at)), each) for at, each in enumerate(value)]
    return value


def masked_path_values(
    mask: Mask | None, value: Any, where: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Path and value of every masked part."""
    if mask is None or value is None:
        return
    if not isinstance(mask, dict):
        yield where, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from masked_path_values(mask_below(mask, name), each, (*where, name))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from masked_path_values(mask_below(mask, str(at)), each, (*where, at))


def mask_below(mask: dict[str, Mask], name: str) -> Mask | None:
    return merge_masks(mask.get(name), mask.get(WILDCARD))


def merge_masks(one: Mask | None, other: Mask | None) -> Mask | None:
    """A mask of all that either of the two masks."""
    if one is None or other is None:
        return other if one is None else one
    if not isinstance(one, dict) or not isinstance(other, dict):
        return MASK_WHOLE
    both = dict(one)
    for name, mask in other.items():
        both[name] = merge_masks(both.get(name), mask) or MASK_WHOLE
    return both


@dataclass
class SecretRedactor:
    """Removes the secrets of one payload from texts, and those that its handler reads."""

    secrets: frozenset[str] = frozenset()

    @classmethod
    def for_payload(cls, mask: Mask | None, payload: Any) -> SecretRedactor:
        return cls(
            frozenset(
                spelling
                for _, part in masked_path_values(mask, payload)
                for text in leaf_texts(part)
                for spelling in secret_spellings(text)
            )
        )

    def add(self, secret: str) -> None:
        """Of a secret that is JSON, also each value in it."""
        texts = [secret]
        with contextlib.suppress(ValueError, RecursionError):
            texts += leaf_texts(json.loads(secret))
        self.secrets |= {spelling for text in texts for spelling in secret_spellings(text)}
        self.__dict__.pop("_pattern", None)

    def redact_text(self, text: str) -> str:
        if not self.secrets or not text:
            return text
        if len(self.secrets) > MAX_SECRETS:
            return MASK_TEXT
        return self._redact_cut_ends(self._pattern.sub(MASK_TEXT, text))

    def redact_value(self, value: Any) -> Any:
        """Redacts the texts in a JSON-able value. Any other value becomes its redacted text when that holds a
        secret."""
        if not self.secrets:
            return value
        if isinstance(value, str):
            return self.redact_text(value)
        if isinstance(value, dict):
            return {name: self.redact_value(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_value(each) for each in value]
        text = str(value)
        redacted = self.redact_text(text)
        return value if redacted == text else redacted

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The longest first, so that of two secrets with the same beginning the longer one is removed whole.
        return re.compile("|".join(map(re.escape, sorted(self.secrets, key=lambda each: (-len(each), each)))))

    def _redact_cut_ends(self, text: str) -> str:
        """A text that was cut may end or begin within a secret."""
        if text.endswith(ELLIPSIS):
            rest = text[: -len(ELLIPSIS)]
            text = rest[: len(rest) - self._overlap(rest, ends=True)] + ELLIPSIS
        if text.startswith(ELLIPSIS):
            rest = text[len(ELLIPSIS) :]
            text = ELLIPSIS + rest[self._overlap(rest, ends=False) :]
        return text

    def _overlap(self, text: str, *, ends: bool) -> int:
        """Characters at the end, or the beginning, of `text` that begin, or end, a secret."""
        longest = 0
        for secret in self.secrets:
            for length in range(min(len(secret), len(text)), max(longest, MIN_SECRET_CHARACTERS - 1), -1):
                if text.endswith(secret[:length]) if ends else text.startswith(secret[-length:]):
                    longest = length
                    break
        return longest


NO_SECRETS = SecretRedactor()
"""For a payload without sensitive parts."""


def leaf_texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from leaf_texts(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def secret_spellings(secret: str) -> Iterator[str]:
    """A secret and each long word of it: plain, and as JSON and Python quote it."""
    for text in {secret, *(word for word in secret.split() if len(word) >= MIN_SECRET_WORD_CHARACTERS)}:
        if len(text.strip()) >= MIN_SECRET_CHARACTERS:
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]
            yield repr(text)[1:-1]
