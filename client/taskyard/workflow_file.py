"""A workflow as a YAML or JSON file: what POST /workflows takes, read strictly; and its picture, offline.

name: nightly
deadlineSeconds: 3600
nodes:
  fetch: {type: DELAYED_MESSAGE, payload: {message: fetched}}
  report: {type: DELAYED_MESSAGE, payload: {message: done}, dependsOn: [fetch]}
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from taskyard.input_files import name_text, parse_json, parse_yaml, read_bytes

SUFFIXES = (".yaml", ".yml", ".json")
MERMAID_EDGES = 500
"""Its default maxEdges."""


def read(source: str) -> dict[str, Any]:
    """A file, or stdin for `-`. Raises ValueError saying what is wrong with it, where that can be told without asking
    the API: a key that stands twice, text that is neither YAML nor JSON, something else where a list must be."""
    content = read_bytes(source)
    try:
        document = parse_json(content) if source.endswith(".json") else parse_yaml(content)
        if not isinstance(document, dict) or "nodes" not in document:
            raise ValueError("it is no workflow: it needs `nodes`")
        return _with_names(document)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _with_names(document: dict[str, Any]) -> dict[str, Any]:
    """With text for names wherever nodes are named: YAML reads some of them as numbers."""
    for path, node in _nodes(document):
        for name in WAITS & node.keys():
            if node[name] is None:
                continue
            if not isinstance(node[name], list):
                raise ValueError(f"{path}.{name} must be a list, not {json.dumps(node[name], ensure_ascii=False)[:60]}")
            node[name] = [name_text(one) for one in node[name]]
        if node.get("name") is not None:
            node["name"] = name_text(node["name"])
    return document


WAITS = {"dependsOn", "depends_on"}


def _nodes(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with its path."""
    nodes = document["nodes"]
    if isinstance(nodes, dict):
        named = [(f"nodes.{name}", node) for name, node in nodes.items()]
    elif isinstance(nodes, list):
        named = [(f"nodes[{at}]", node) for at, node in enumerate(nodes)]
    else:
        raise ValueError("nodes must be a list, or a mapping by name")
    for path, node in named:
        if not isinstance(node, dict):
            raise ValueError(f"{path} must be a mapping")
        yield path, node


def edges(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Name → what it waits for. Raises ValueError for nodes that have no names."""
    nodes = document["nodes"]
    listed = nodes.items() if isinstance(nodes, Mapping) else [(node.get("name"), node) for node in nodes]
    found: dict[str, list[str]] = {}
    for name, node in listed:
        if not isinstance(name, str):
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
