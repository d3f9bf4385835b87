"""A workflow as a YAML or JSON file: the body of POST /workflows, read strictly; and its picture, without the API.

name: nightly
deadlineSeconds: 3600
nodes:
  fetch: {type: DELAYED_MESSAGE, payload: {message: fetched}}
  report: {type: DELAYED_MESSAGE, payload: {message: done}, dependsOn: [fetch]}
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from taskyard.files.json_and_yaml import name_to_text, parse_json, parse_yaml, read_bytes

SUFFIXES = (".yaml", ".yml", ".json")
MERMAID_MAX_EDGES = 500
"""The default maxEdges of Mermaid."""


def read(source: str) -> dict[str, Any]:
    """The document in a file, or in stdin for `-`. Raises ValueError for a fault that is visible without the API: a
    duplicate key, text that is neither YAML nor JSON, another type where a list must be."""
    content = read_bytes(source)
    try:
        document = parse_json(content) if source.endswith(".json") else parse_yaml(content)
        if not isinstance(document, dict) or "nodes" not in document:
            raise ValueError("it is not a workflow: it needs `nodes`")
        return _with_text_names(document)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _with_text_names(document: dict[str, Any]) -> dict[str, Any]:
    """Names of nodes as text, where they are defined and where they are used: YAML reads some of them as numbers."""
    for path, node in _nodes_with_path(document):
        for name in DEPENDENCY_FIELDS & node.keys():
            if node[name] is None:
                continue
            if not isinstance(node[name], list):
                raise ValueError(f"{path}.{name} must be a list, not {json.dumps(node[name], ensure_ascii=False)[:60]}")
            node[name] = [name_to_text(upstream) for upstream in node[name]]
        if node.get("name") is not None:
            node["name"] = name_to_text(node["name"])
    return document


DEPENDENCY_FIELDS = {"dependsOn", "depends_on"}


def _nodes_with_path(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
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


def dependencies(document: Mapping[str, Any]) -> dict[str, list[str]]:
    """Name of each node → names of its dependencies. Raises ValueError for a node without a name."""
    nodes = document["nodes"]
    listed = nodes.items() if isinstance(nodes, Mapping) else [(node.get("name"), node) for node in nodes]
    graph: dict[str, list[str]] = {}
    for name, node in listed:
        if not isinstance(name, str):
            raise ValueError("each node needs a name")
        if name in graph:
            raise ValueError(f"two nodes are named {name!r}")
        graph[name] = [str(upstream) for upstream in node.get("dependsOn", node.get("depends_on")) or ()]
    if missing := [
        (name, upstream) for name, upstreams in graph.items() for upstream in upstreams if upstream not in graph
    ]:
        raise ValueError("node {!r} depends on {!r}, which is not a node".format(*missing[0]))
    return graph


def draw(document: Mapping[str, Any], format: str) -> str:
    """The picture of the document. format: mermaid or dot. Raises ValueError for svg, which only the API draws."""
    graph, title = dependencies(document), str(document.get("name") or "workflow")
    at = {name: f"n{index}" for index, name in enumerate(graph)}
    lines = [(at[upstream], at[name]) for name, upstreams in graph.items() for upstream in dict.fromkeys(upstreams)]
    if format == "dot":
        boxes = [f"  {at[name]} [label={json.dumps(name, ensure_ascii=False)}];" for name in graph]
        arrows = [f"  {start} -> {end};" for start, end in lines]
        label = json.dumps(title, ensure_ascii=False)
        return "\n".join(["digraph workflow {", "  rankdir=LR;", f"  label={label};", *boxes, *arrows, "}"]) + "\n"
    if format == "mermaid":
        boxes = [f'  {at[name]}["{_mermaid_label(name)}"]' for name in graph]
        arrows = [f"  {start} --> {end}" for start, end in lines]
        return "\n".join(["flowchart LR", *boxes, *arrows]) + "\n"
    raise ValueError("a file is drawn as mermaid or dot; the API draws a run as svg too")


def _mermaid_label(text: str) -> str:
    return "".join(c if c.isalnum() or c in " _-.,:()/" else f"#{ord(c)};" for c in text)
