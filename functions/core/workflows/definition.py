"""The stored definition of a workflow: node specs ⇄ JSON, and the plan made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from taskyard.tasks.retry import RetryPolicy

from functions.core.workflows.dag import Node, Plan, make_plan
from functions.core.workflows.run import NodeSpec


def definition_to_json(specs: Sequence[NodeSpec]) -> list[dict[str, Any]]:
    """JSON-able, with defaults filled in: a deployment that changes the defaults does not change runs under way.
    Compact, because there may be 10,000 nodes: `after` lists the indexes of the upstreams; missing tags and masks are
    left out."""
    index = {spec.name: at for at, spec in enumerate(specs)}
    return [
        {
            "name": spec.name,
            "type": spec.type,
            "payload": spec.payload,
            "after": sorted({index[name] for name in spec.depends_on}),
            "priority": spec.priority,
            "timeout": spec.timeout_seconds,
            "retry": [
                spec.retry.max_attempts,
                spec.retry.strategy,
                spec.retry.base_seconds,
                spec.retry.max_seconds,
                spec.retry.jitter,
            ],
            "at": spec.available_at,
        }
        | ({"tags": spec.tags} if spec.tags else {})
        | ({"mask": spec.mask} if spec.mask is not None else {})
        for spec in specs
    ]


def definition_from_json(nodes: Sequence[dict[str, Any]]) -> list[NodeSpec]:
    """The inverse of `definition_to_json`."""
    return [
        NodeSpec(
            name=node["name"],
            type=node["type"],
            payload=node["payload"],
            mask=node.get("mask"),
            depends_on=tuple(nodes[at]["name"] for at in node["after"]),
            priority=node["priority"],
            timeout_seconds=node["timeout"],
            retry=RetryPolicy(
                max_attempts=node["retry"][0],
                strategy=node["retry"][1],
                base_seconds=node["retry"][2],
                max_seconds=node["retry"][3],
                jitter=node["retry"][4],
            ),
            available_at=node["at"],
            tags=node.get("tags", {}),
        )
        for node in nodes
    ]


def dag_nodes(specs: Sequence[NodeSpec]) -> list[Node]:
    return [Node(spec.name, spec.depends_on) for spec in specs]


def plan_of_specs(specs: Sequence[NodeSpec]) -> Plan:
    return make_plan(dag_nodes(specs))
