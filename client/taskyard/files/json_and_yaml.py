"""Reads JSON and YAML that a person writes (a file, stdin, an argument), strictly. Each fault is a ValueError of one
line."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from taskyard.extras import packages_of_extra

DEPTH_LIMIT: Final = 100
"""Levels of nesting, as in the API."""
EXPANDED_LIMIT: Final = 20_000_000
"""Characters of a YAML file with its aliases expanded: more than any request of the API may have."""
_PLAIN_SCALARS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("bool", re.compile(r"true|false")),
    ("null", re.compile(r"null|~|")),
    ("int", re.compile(r"-?(0|[1-9][0-9]*)")),
    ("float", re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")),
    ("merge", re.compile(r"<<")),
)
"""Tag → pattern of the plain scalars of YAML that are not text."""
_TAG: Final = "tag:yaml.org,2002:"


def read_bytes(source: str) -> bytes:
    """A file, or stdin for `-`."""
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {source}: {error.strerror or error}") from error


def parse_json(content: bytes | str) -> Any:
    """Refuses a duplicate name in one object, NaN and Infinity; ignores a byte order mark."""
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content.removeprefix("\ufeff")
        return json.loads(text, object_pairs_hook=object_without_duplicates, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise ValueError(f"the name {name!r} is given twice")
        document[name] = value
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def parse_yaml(content: bytes) -> Any:
    """The values of JSON only: plain `true`, `null` and numbers as in JSON, everything else is text (times, `on`,
    `12:30`, `007`). Names are text and unique in a mapping. Refuses tags of types that JSON does not have."""
    with packages_of_extra("cli"):
        import yaml

    # The loader of libyaml, where it is installed, is several times as fast.
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = content.decode("utf-8-sig")
        builder = _Builder()
        # Event by event: endless nesting and a reference to itself are found before anything is built.
        for event in yaml.parse(text, loader):
            handle = getattr(builder, type(event).__name__, None)
            if handle is not None:
                handle(event)
        return builder.document
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


@dataclass(slots=True)
class _OpenCollection:
    """A sequence or mapping whose end event has not come. size: characters, aliases expanded."""

    anchor: str | None
    is_mapping: bool
    items: list[Any] = field(default_factory=list)
    size: int = 0


class _Merge:
    """The name `<<`."""


class _Builder:
    """Builds values from the events of a YAML parser; its methods have the names of the events."""

    def __init__(self) -> None:
        self.document: Any = None
        self._documents = 0
        self._open: list[_OpenCollection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}

    def DocumentStartEvent(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise ValueError("it holds more than one document")

    def ScalarEvent(self, event: Any) -> None:
        self._add(_scalar(event), len(event.value) + 1, event.anchor)

    def AliasEvent(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            refers = any(collection.anchor == event.anchor for collection in self._open)
            what = "refers to itself" if refers else "is not defined before it"
            raise ValueError(f"*{event.anchor} {what}{_place(event)}")
        value, size = self._anchors[event.anchor]
        self._add(value, size, None)

    def SequenceStartEvent(self, event: Any) -> None:
        self._begin(event, "seq", is_mapping=False)

    def MappingStartEvent(self, event: Any) -> None:
        self._begin(event, "map", is_mapping=True)

    def SequenceEndEvent(self, event: Any) -> None:
        ended = self._open.pop()
        self._add(ended.items, ended.size + 1, ended.anchor)

    def MappingEndEvent(self, event: Any) -> None:
        ended = self._open.pop()
        pairs = list(zip(ended.items[::2], ended.items[1::2], strict=True))
        try:
            own_pairs = [(name_to_text(name), value) for name, value in pairs if name is not _Merge]
            own = object_without_duplicates(own_pairs)
            merged: dict[str, Any] = {}
            for value in (value for name, value in pairs if name is _Merge):
                for mapping in value if isinstance(value, list) else [value]:
                    if not isinstance(mapping, dict):
                        raise ValueError("<< takes a mapping, or a list of mappings")
                    merged = mapping | merged
        except ValueError as error:
            raise ValueError(f"{error}{_place(event)}") from None
        self._add(merged | own, ended.size + 1, ended.anchor)

    def _begin(self, event: Any, kind: str, *, is_mapping: bool) -> None:
        if event.tag not in (None, "!", _TAG + kind):
            raise ValueError(f"the tag {_tag(event.tag)} has no JSON for it{_place(event)}")
        if len(self._open) == DEPTH_LIMIT:
            raise ValueError(f"it is nested too deeply: at most {DEPTH_LIMIT} levels")
        self._open.append(_OpenCollection(event.anchor, is_mapping))

    def _add(self, value: Any, size: int, anchor: str | None) -> None:
        parent = self._open[-1] if self._open else None
        if value is _Merge and not (parent and parent.is_mapping and len(parent.items) % 2 == 0):
            value = "<<"
        if anchor is not None:
            self._anchors[anchor] = value, size
        if parent is None:
            self.document = value
            return
        parent.items.append(value)
        parent.size += size
        if parent.size > EXPANDED_LIMIT:
            raise ValueError(f"with its aliases expanded it has more than {EXPANDED_LIMIT:,} characters")


def name_to_text(name: Any) -> str:
    """A number is a valid name. Raises ValueError for a list or a mapping."""
    if isinstance(name, (dict, list)):
        raise ValueError("a name is text, not a list or a mapping")
    return name if isinstance(name, str) else json.dumps(name)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.implicit[0]:
        kind = next((kind for kind, pattern in _PLAIN_SCALARS if pattern.fullmatch(text)), "str")
    elif event.tag in (None, "!"):
        kind = "str"
    else:
        kind = event.tag.removeprefix(_TAG)
        pattern = dict(_PLAIN_SCALARS).get(kind)
        if kind not in _READERS or (pattern and not pattern.fullmatch(text)):
            raise ValueError(f"the tag {_tag(event.tag)} has no JSON for {text[:40]!r}{_place(event)}")
    value = _READERS[kind](text)
    if isinstance(value, float) and value - value != 0:
        raise ValueError(f"{text[:40]} is larger than any number that JSON readers accept{_place(event)}")
    return value


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "str": str,
    "bool": lambda text: text == "true",
    "null": lambda text: None,
    "int": int,
    "float": float,
    "merge": lambda text: _Merge,
}


def _tag(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag


def _place(event: Any) -> str:
    return f" (line {event.start_mark.line + 1})"
