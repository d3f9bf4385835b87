"""A workflow's definition as it is kept: JSON in, node specs and a plan out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from functions.core.dag import Node, Plan, plan
from functions.core.retry import RetryPolicy
from functions.core.run import NodeSpec


def written(specs: Sequence[NodeSpec]) -> list[dict[str, Any]]:
    """JSON-able, defaults filled in: a deployment that changes them does not change runs under way."""
    return [
        {
            "name": spec.name,
            "type": spec.type,
            "payload": spec.payload,
            "dependsOn": list(spec.depends_on),
            "priority": spec.priority,
            "timeoutSeconds": spec.timeout_seconds,
            "retry": {
                "maxAttempts": spec.retry.max_attempts,
                "strategy": spec.retry.strategy,
                "baseSeconds": spec.retry.base_seconds,
                "maxSeconds": spec.retry.max_seconds,
                "jitter": spec.retry.jitter,
            },
            "availableAt": spec.available_at,
            "tags": spec.tags,
        }
        for spec in specs
    ]


def read(nodes: Sequence[dict[str, Any]]) -> list[NodeSpec]:
    """The inverse of `written`."""
    return [
        NodeSpec(
            name=node["name"],
            type=node["type"],
            payload=node["payload"],
            depends_on=tuple(node["dependsOn"]),
            priority=node["priority"],
            timeout_seconds=node["timeoutSeconds"],
            retry=RetryPolicy(
                max_attempts=node["retry"]["maxAttempts"],
                strategy=node["retry"]["strategy"],
                base_seconds=node["retry"]["baseSeconds"],
                max_seconds=node["retry"]["maxSeconds"],
                jitter=node["retry"]["jitter"],
            ),
            available_at=node["availableAt"],
            tags=node["tags"],
        )
        for node in nodes
    ]


def plan_of(specs: Sequence[NodeSpec]) -> Plan:
    return plan([Node(spec.name, spec.depends_on) for spec in specs])
