"""Quotas of tenants, as a configuration says them. `quotas_json` writes what the functions read in the variable
QUOTAS (functions/core/quotas.py); docs/operations.md says what each quota means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

QUOTA_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "submits_per_second": "submitsPerSecond",
        "burst": "burst",
        "open_tasks": "openTasks",
        "payload_bytes": "payloadBytes",
        "schedules": "schedules",
        "workflow_nodes": "workflowNodes",
    }
)
"""Field of Quotas → its name in QUOTAS and in the API's answers."""


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """Of one tenant. None: no limit.

    `submits_per_second`: tasks, also of batches and nodes of workflows; with `burst`, as many at once. `open_tasks`:
    that have not ended. `payload_bytes`: of one task. `workflow_nodes`: of one workflow.
    """

    submits_per_second: float | None = None
    burst: int | None = None
    open_tasks: int | None = None
    payload_bytes: int | None = None
    schedules: int | None = None
    workflow_nodes: int | None = None

    @property
    def to_fields(self) -> dict[str, float]:
        named = ((QUOTA_NAMES[each.name], getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in named if value is not None}


@dataclass(frozen=True, kw_only=True)
class TenantQuotas:
    """`default`: of every tenant but those of `tenants`, whose own quotas replace all of the default:
    `{"111122223333": replace(default, open_tasks=50_000)}`."""

    default: Quotas
    tenants: Mapping[str, Quotas] = field(default_factory=dict)


def quotas_json(quotas: TenantQuotas) -> str:
    document: dict[str, object] = {"default": quotas.default.to_fields}
    if quotas.tenants:
        document["tenants"] = {name: each.to_fields for name, each in sorted(quotas.tenants.items())}
    return json.dumps(document, separators=(",", ":"))


def quotas_faults(quotas: TenantQuotas) -> Iterator[str]:
    """What the functions would refuse, or would never let through."""
    named = {"default": quotas.default} | {f"tenants[{name!r}]": each for name, each in quotas.tenants.items()}
    for where, each in named.items():
        for name in QUOTA_NAMES:
            value = getattr(each, name)
            if value is not None and value <= 0:
                yield f"quotas.{where}.{name} is {value}: it must be above 0; leave it out for no limit"
        if (each.submits_per_second is None) != (each.burst is None):
            yield f"quotas.{where}: submits_per_second and burst go together: give both or none"
        if each.open_tasks is not None and each.submits_per_second is None:
            yield f"quotas.{where}.open_tasks needs submits_per_second, which bounds what is not counted yet"
        if each.burst is not None and each.workflow_nodes is not None and each.workflow_nodes > each.burst:
            nodes = each.workflow_nodes
            yield f"quotas.{where}.workflow_nodes is {nodes}, but one above burst ({each.burst}) is never admitted"
