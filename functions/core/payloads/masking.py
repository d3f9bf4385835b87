"""Sensitive parts of a payload: what is shown in their place, and how texts that quote them are cleaned.

A mask says where they are. It is made at submit, by the payload's model (functions/core/payloads/sensitive.py),
and stored with the payload, so whoever shows the payload needs no model of it. It is a tree of the payload's own
names: `1` is a part that is masked whole, `*` stands for every name or index. `{"headers": {"*": 1}}`: every
header's value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Union

STARS = "**********"
"""As pydantic's SecretStr shows itself."""
EVERY = "*"
SHORTEST = 4
"""Characters. What is shorter is not looked for in texts: it would be found in words that only happen to hold it."""
SHORTEST_WORD = 8
"""Of a secret of several words, `Bearer 5f2c…`, each word so long is looked for alone too."""
MOST = 1000
"""Secrets that are looked for in a text. With more of them the text is masked whole."""
CUT = "…"

Mask = Union[Literal[1], dict[str, "Mask"]]  # noqa: UP007 - the alias names itself
WHOLE: Literal[1] = 1


def masked(mask: Mask | None, value: Any) -> Any:
    """`value` as it may be shown. What is null stays null: there is nothing to hide."""
    if mask is None or value is None:
        return value
    if not isinstance(mask, dict):
        return STARS
    if isinstance(value, dict):
        return {name: masked(below(mask, name), each) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(below(mask, str(at)), each) for at, each in enumerate(value)]
    return value


def places(
    mask: Mask | None, value: Any, where: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Path and value of every masked part."""
    if mask is None or value is None:
        return
    if not isinstance(mask, dict):
        yield where, value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from places(below(mask, name), each, (*where, name))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from places(below(mask, str(at)), each, (*where, at))


def below(mask: dict[str, Mask], name: str) -> Mask | None:
    return merged(mask.get(name), mask.get(EVERY))


def merged(one: Mask | None, other: Mask | None) -> Mask | None:
    """Masks whatever one of the two masks."""
    if one is None or other is None:
        return other if one is None else one
    if not isinstance(one, dict) or not isinstance(other, dict):
        return WHOLE
    both = dict(one)
    for name, mask in other.items():
        both[name] = merged(both.get(name), mask) or WHOLE
    return both


@dataclass(frozen=True)
class Redaction:
    """Takes the secrets of one payload out of texts."""

    secrets: frozenset[str] = frozenset()

    @classmethod
    def of(cls, mask: Mask | None, payload: Any) -> Redaction:
        return cls(
            frozenset(
                spelling for _, part in places(mask, payload) for text in leaves(part) for spelling in spellings(text)
            )
        )

    def text(self, text: str) -> str:
        if not self.secrets or not text:
            return text
        if len(self.secrets) > MOST:
            return STARS
        return self._uncut(self._pattern.sub(STARS, text))

    def value(self, value: Any) -> Any:
        """Of a JSON-able value the texts; what is none of that becomes its text when that holds a secret."""
        if not self.secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        written = str(value)
        clean = self.text(written)
        return value if clean == written else clean

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The longest first: of two that begin alike the whole one is taken out.
        return re.compile("|".join(map(re.escape, sorted(self.secrets, key=lambda each: (-len(each), each)))))

    def _uncut(self, text: str) -> str:
        """A text that was shortened may end, or begin, within a secret."""
        if text.endswith(CUT):
            kept = text[: -len(CUT)]
            text = kept[: len(kept) - self._overlap(kept, ends=True)] + CUT
        if text.startswith(CUT):
            kept = text[len(CUT) :]
            text = CUT + kept[self._overlap(kept, ends=False) :]
        return text

    def _overlap(self, text: str, *, ends: bool) -> int:
        """Characters at the end, or the beginning, of `text` that begin, or end, a secret."""
        longest = 0
        for secret in self.secrets:
            for length in range(min(len(secret), len(text)), max(longest, SHORTEST - 1), -1):
                if text.endswith(secret[:length]) if ends else text.startswith(secret[-length:]):
                    longest = length
                    break
        return longest


NO_REDACTION = Redaction()
"""Of a payload with nothing sensitive in it."""


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def spellings(secret: str) -> Iterator[str]:
    """A secret, and each long word of it, as they are and as JSON and Python quote them."""
    for text in {secret, *(word for word in secret.split() if len(word) >= SHORTEST_WORD)}:
        if len(text.strip()) >= SHORTEST:
            yield text
            yield json.dumps(text)[1:-1]
            yield json.dumps(text, ensure_ascii=False)[1:-1]
            yield repr(text)[1:-1]
