"""Copies the number of a tenant's open tasks to where its quotas are checked (docs/adr/0031)."""

from __future__ import annotations

from dataclasses import dataclass

from functions.core.quotas import QuotaRules
from functions.core.states import TERMINAL
from functions.store.counters import Counters
from functions.store.quotas import QuotaStore


@dataclass(frozen=True, kw_only=True)
class OpenTasks:
    rules: QuotaRules
    counters: Counters
    usage: QuotaStore

    def copy(self, tenant: str) -> None:
        """Reads the tenant's counter and writes the sum of its open states; nothing for a tenant without the quota.
        Idempotent. Of two at the same time the later write may have the older sum: the next batch of the tenant
        corrects it. Raises StoreUnavailable."""
        quota = self.rules.of_tenant(tenant).submit
        if quota is None or quota.open_tasks is None:
            return
        states = self.counters.read(tenant).states
        self.usage.set_open_tasks(tenant, sum(count for state, count in states.items() if state not in TERMINAL))
