"""Regular expressions of the functions: none goes back over its text again and again.

Two repeats without bounds that meet (`\\s*x?\\s*`), or one inside another (`(a+)+`), try every way to share the text
between them: time that grows with its square, or worse. Found by reading the patterns, which needs no clock.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

FUNCTIONS = Path(__file__).parents[2] / "functions"
UNBOUNDED = 1000
"""Repeats from which on a pattern counts as one without bounds."""
REPEATS = {"MAX_REPEAT", "MIN_REPEAT"}
GROUPS = {"SUBPATTERN", "ATOMIC_GROUP"}


def patterns() -> Iterator[tuple[str, str]]:
    """Where each stands, and the pattern: literals handed to `re`; what is computed in one counts as a letter."""
    for file in sorted(FUNCTIONS.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text())):
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re")), args=[pattern, *_]):
                    for text in literals(pattern):
                        yield f"{file.relative_to(FUNCTIONS)}:{call.lineno}", text


def literals(pattern: ast.expr) -> Iterable[str]:
    match pattern:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(part.value if isinstance(part, ast.Constant) else "a" for part in parts)]
    return []


def is_free(item: tuple[Any, Any]) -> bool:
    return str(item[0]) in REPEATS and item[1][1] >= UNBOUNDED


def may_be_empty(items: Iterable[tuple[Any, Any]]) -> bool:
    return all(
        (str(kind) in REPEATS and (argument[0] == 0 or may_be_empty(argument[2])))
        or str(kind) in ("AT", "ASSERT", "ASSERT_NOT")
        or (str(kind) in GROUPS and may_be_empty(inside(kind, argument)))
        for kind, argument in items
    )


def inside(kind: Any, argument: Any) -> Any:
    return argument[-1] if str(kind) == "SUBPATTERN" else argument


def begins_free(items: Any) -> bool:
    """Whether a repeat without bounds may come first, what may be empty left out."""
    for kind, argument in items:
        if is_free((kind, argument)):
            return True
        if str(kind) in REPEATS and begins_free(argument[2]):
            return True
        if str(kind) in GROUPS and begins_free(inside(kind, argument)):
            return True
        if str(kind) == "BRANCH" and any(begins_free(branch) for branch in argument[1]):
            return True
        if not may_be_empty([(kind, argument)]):
            return False
    return False


def goes_back(items: Any) -> bool:
    items = list(items)
    return any(
        (is_free(item) and (begins_free(items[at + 1 :]) or begins_free(item[1][2])))
        or any(goes_back(each) for each in below(item))
        for at, item in enumerate(items)
    )


def below(item: tuple[Any, Any]) -> list[Any]:
    kind, argument = item
    if str(kind) in REPEATS:
        return [argument[2]]
    if str(kind) in GROUPS:
        return [inside(kind, argument)]
    return list(argument[1]) if str(kind) == "BRANCH" else []


def slow(pattern: str) -> bool:
    return goes_back(re._parser.parse(pattern))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("where", "pattern"), list(patterns()))
def test_a_pattern_reads_its_text_once(where: str, pattern: str) -> None:
    assert not slow(pattern)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"\s*(?:rate\(\s*)?(\d{1,6})\s+(minute|hour|day)s?\s*(\)?)\s*", True),
        (r"(a+)+", True),
        (r"(?:a*b?)*", True),
        (r"\s*\s*", True),
        (r"\s*,\s*", False),
        (r"[a-z]+(?:-[a-z]+)?", False),
        (r"\d{1,6}\s+", False),
    ],
)
def test_patterns_that_go_back_are_known(pattern: str, expected: bool) -> None:
    assert slow(pattern) == expected
