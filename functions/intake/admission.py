"""Checks requests against the quotas of their tenant (docs/adr/0031). Without quotas nothing imports this module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from functions.core.quotas import Allowed, QuotaRules, error_of_decision
from functions.store.documents import json_text
from functions.store.quotas import QuotaStore
from functions.store.schedules import ScheduleStore


@dataclass(frozen=True, kw_only=True)
class Admission:
    """Each method does nothing for a tenant without that quota."""

    rules: QuotaRules
    usage: QuotaStore
    schedules: ScheduleStore

    def admit(self, tenant: str, submits: int, *, now: int) -> None:
        """Counts the submits of one request, in one call of AWS and one write unit. `now`: epoch ms. Raises
        QuotaExceeded, BeyondQuota, StoreUnavailable."""
        quota = self.rules.of_tenant(tenant).submit
        if quota is None or submits == 0:
            return
        decision = self.usage.add_submits(tenant, quota, submits, now=now)
        if not isinstance(decision, Allowed):
            raise error_of_decision(quota, decision, submits)

    def require_payloads(self, tenant: str, payloads: Iterable[Any]) -> None:
        """`payloads`: of the tasks of one request, JSON-able. Raises BeyondQuota for the first that is too large."""
        quotas = self.rules.of_tenant(tenant)
        if quotas.payload_bytes is None:
            return
        for payload in payloads:
            quotas.require_payload_bytes(len(json_text(payload).encode()))

    def require_workflow_nodes(self, tenant: str, count: int) -> None:
        """Raises BeyondQuota."""
        self.rules.of_tenant(tenant).require_workflow_nodes(count)

    def require_another_schedule(self, tenant: str) -> None:
        """Counts the tenant's schedules in the listing index, which follows a create after a moment: requests at the
        same time may exceed the quota. One call for each shard of the index. Raises BeyondQuota, StoreUnavailable."""
        quotas = self.rules.of_tenant(tenant)
        if quotas.schedules is not None:
            quotas.require_schedules(self.schedules.count(tenant) + 1)
