"""Strategies of hypothesis for events that nobody should send: garbage, and real events with something changed."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

MANY = os.environ.get("FUZZ_EXAMPLES")
EXAMPLES = settings(
    max_examples=int(MANY or 50),
    derandomize=MANY is None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=(Phase.explicit, Phase.generate, *((Phase.shrink,) if MANY else ())),
)
"""Always the same 50 for each test, unless FUZZ_EXAMPLES says how many."""

TEXTS = st.one_of(
    st.text(max_size=40),
    # Half of a surrogate pair, which JSON can write and UTF-8 cannot; NUL; what AWS limits to 2,048 bytes.
    st.sampled_from(["", "\ud800", "a\udfff", "\0", "é" * 2000, "#", "TASK#a#b", "9" * 400, "nan", "-1", "1e999"]),
)
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([-(10**30), 10**30, 10**400, 2**63, 1.5, -0.0, 1e300]),
)
GARBAGE = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of every part of a JSON value, but the whole."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, part in parts for found in ((*path, key), *paths(part, (*path, key)))]


@st.composite
def changed(draw: Callable[..., Any], value: Any, *, below: tuple[Any, ...] = ()) -> Any:
    """`value` with one to three parts, under `below`, replaced by garbage, left out, or joined by an unknown one."""
    made = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        here = [path for path in paths(made) if path[: len(below)] == below and len(path) > len(below)]
        if not here:
            break
        *way, last = draw(st.sampled_from(here))
        parent = made
        for key in way:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                parent[last] = draw(GARBAGE)
            case "remove":
                del parent[last]
            case "add" if isinstance(parent, dict):
                parent[draw(TEXTS)] = draw(GARBAGE)
            case _:
                parent.append(draw(GARBAGE))
    return made


@st.composite
def bodies(draw: Callable[..., Any], value: Any) -> str:
    """The text of a message whose right body is `value` as JSON."""
    match draw(st.sampled_from(["text", "garbage", "changed", "changed", "cut", "deep"])):
        case "text":
            return str(draw(st.text(max_size=40)))
        case "garbage":
            return json.dumps(draw(GARBAGE))
        case "changed":
            return json.dumps(draw(changed(value)))
        case "cut":
            text = json.dumps(value)
            return text[: draw(st.integers(0, len(text) - 1))]
        case _:
            return "[" * 100_000


def as_lambda_reads(event: Any) -> Any:
    """As the runtime hands it to a handler."""
    return json.loads(json.dumps(event))
