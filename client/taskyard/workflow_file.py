"""A workflow as a YAML or JSON file: what POST /workflows takes, read strictly; and its picture, offline.

name: nightly
deadlineSeconds: 3600
nodes:
  fetch: {type: DELAYED_MESSAGE, payload: {message: fetched}}
  report: {type: DELAYED_MESSAGE, payload: {message: done}, dependsOn: [fetch]}
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

SUFFIXES = (".yaml", ".yml", ".json")
MERMAID_EDGES = 500
"""Its default maxEdges."""
_PLAIN = (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
    ("merge", r"<<", "<"),
)
"""YAML's tag, what it looks like, its first characters."""


def read(source: str) -> dict[str, Any]:
    """A file, or stdin for `-`. Raises ValueError saying what is wrong with it, where that can be told without asking
    the API: a key that stands twice, text that is neither YAML nor JSON."""
    try:
        content = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"can't read {source}: {error.strerror}") from error
    try:
        document = json.loads(content, object_pairs_hook=_pairs) if source.endswith(".json") else _yaml(content)
    except UnicodeDecodeError as error:
        raise ValueError(f"{source} is not UTF-8") from error
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    if not isinstance(document, dict) or "nodes" not in document:
        raise ValueError(f"{source} is no workflow: it needs `nodes`")
    return document if source.endswith(".json") else _named(document)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = value
    return found


def _yaml(content: str) -> Any:
    """As JSON has it: plain `true`, `null` and numbers are that, all else is text (times, `on`, `12:30`, `007`). Names
    are text, none stands twice."""
    import yaml

    # libyaml's, where there is one, is several times as fast.
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[valid-type, misc]
        yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    for kind, pattern, first in _PLAIN:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{pattern})$"), list(first))

    def mapping(loader: Any, node: Any, deep: bool = False) -> dict[str, Any]:
        loader.flatten_mapping(node)
        pairs = [
            (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
            for key, value in node.value
        ]
        return _pairs([(_text(name), value) for name, value in pairs])

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        return yaml.load(content, Loader)  # noqa: S506 - a SafeLoader with less in it
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _text(name: Any) -> str:
    """A number is a name too."""
    return name if isinstance(name, str) else json.dumps(name)


def _named(document: dict[str, Any]) -> dict[str, Any]:
    """With text for names wherever nodes are named."""
    nodes = document["nodes"]
    for node in nodes.values() if isinstance(nodes, dict) else nodes if isinstance(nodes, list) else ():
        if isinstance(node, dict):
            for field in {"dependsOn", "depends_on"} & node.keys():
                if isinstance(node[field], list):
                    node[field] = [_text(name) for name in node[field]]
            if "name" in node:
                node["name"] = _text(node["name"])
    return document


def edges(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Name → what it waits for. Raises ValueError for nodes that have no names."""
    nodes = document["nodes"]
    listed: Iterator[tuple[Any, Any]] | list[tuple[Any, Any]] = (
        list(nodes.items())
        if isinstance(nodes, Mapping)
        else [(node.get("name") if isinstance(node, Mapping) else None, node) for node in nodes]
    )
    found: dict[str, list[str]] = {}
    for name, node in listed:
        if not isinstance(name, str) or not isinstance(node, Mapping):
            raise ValueError("each node needs a name")
        if name in found:
            raise ValueError(f"two nodes are named {name!r}")
        found[name] = [str(one) for one in node.get("dependsOn", node.get("depends_on")) or ()]
    if missing := [(name, one) for name, waits in found.items() for one in waits if one not in found]:
        raise ValueError("node {!r} waits for {!r}, which is not there".format(*missing[0]))
    return found


def drawn(document: Mapping[str, Any], format: str) -> str:
    """mermaid or dot. Raises ValueError for svg: the API draws that, of a run."""
    graph, title = edges(document), str(document.get("name") or "workflow")
    at = {name: f"n{index}" for index, name in enumerate(graph)}
    lines = [(at[upstream], at[name]) for name, waits in graph.items() for upstream in dict.fromkeys(waits)]
    if format == "dot":
        boxes = [f"  {at[name]} [label={json.dumps(name, ensure_ascii=False)}];" for name in graph]
        arrows = [f"  {start} -> {end};" for start, end in lines]
        label = json.dumps(title, ensure_ascii=False)
        return "\n".join(["digraph workflow {", "  rankdir=LR;", f"  label={label};", *boxes, *arrows, "}"]) + "\n"
    if format == "mermaid":
        boxes = [f'  {at[name]}["{_entities(name)}"]' for name in graph]
        arrows = [f"  {start} --> {end}" for start, end in lines]
        return "\n".join(["flowchart LR", *boxes, *arrows]) + "\n"
    raise ValueError("a file is drawn as mermaid or dot; the API draws a run as svg too")


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _-.,:()/" else f"#{ord(c)};" for c in text)
