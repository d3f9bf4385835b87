"""Workload and configuration → every rate that has a limit, beside it."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from infra.build.locations import ROOT
from infra.config import Config
from tests.model.costs import per_run, task_read_units, task_units
from tests.model.quotas import MAXIMUM_CONCURRENCY, PARTITION_GIGABYTES, QUOTAS, Kind, Quota
from tests.model.workload import Workload

API_SECONDS = 0.04
"""One request on a warm function: two or three calls of 5 to 10 ms each, and our own milliseconds."""
CALL_SECONDS = 0.008
"""One call of DynamoDB or SQS from Lambda in the same region, with its signing."""
ATTEMPT_CALLS = 2
"""Claim and settle stand around the handler; the rest of the batch runs beside it."""
TRANSITIONS = 5
"""Of a run's machine, and of a notification's (infra/functions/workflow.py)."""
WRITES_SIDE_BY_SIDE = 16
TASK_CHANGES = 4
"""Stream records of one task: put, claim, settle, and its removal by TTL."""
COUNTER_UNITS = 1
"""A tenant's counter: twenty-five pairs of task type and state, and how far it is in a day's shards."""
NOTE_BYTES, NOTED_TENANT_BYTES = 150, 70
"""Of a batch's item in the journal: its own, and `"123456789012":{"SEND_EMAIL":{"READY":-1,"RUNNING":1,"SUCCESS":12}},`
for each tenant."""
RECORD_GIGABYTES = 1e-6


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that has a limit."""

    what: str
    demand: float
    quota: Quota

    @property
    def use(self) -> float:
        return self.demand / self.quota.limit


@cache
def constant(module: str, name: str) -> Any:
    """A constant of a module of infra/ that cannot be imported in a blink: they import aws_cdk."""
    for node in ast.parse((ROOT / module).read_text()).body:
        if isinstance(node, ast.Assign) and any(isinstance(it, ast.Name) and it.id == name for it in node.targets):
            return ast.literal_eval(node.value)
    raise LookupError(f"{module} has no constant {name}")


@dataclass(frozen=True, kw_only=True)
class Load:
    """All rates per second. `partitions`: of the table, and so the open shards of its stream."""

    workload: Workload
    config: Config

    @property
    def table_units(self) -> float:
        return self.task_units + self.run_units + self.counter_units

    @property
    def task_units(self) -> float:
        return self.workload.alone_per_second * task_units(self.workload)

    @property
    def run_units(self) -> float:
        retries = 2 * self.workload.retries_per_task * self.workload.nodes_per_run
        return self.workload.runs_per_second * (per_run(self.workload, "units") + retries)

    @property
    def counter_units(self) -> float:
        return self.journal_units + self.counter_writes * COUNTER_UNITS

    @property
    def journal_units(self) -> float:
        """Each batch replaces what its shard's batch before has noted."""
        noted = NOTE_BYTES + NOTED_TENANT_BYTES * self.tenants_among(self.observer_batch)
        return self.observer_batches * math.ceil(noted / 1024)

    @property
    def read_units(self) -> float:
        runs = self.workload.runs_per_second * per_run(self.workload, "read_units")
        return self.workload.tasks_per_second * task_read_units(self.workload) + runs

    @property
    def listing_units(self) -> float:
        return self.workload.alone_per_second + self.workload.runs_per_second

    @property
    def held_tasks(self) -> float:
        return self.workload.tasks_per_second * self.config.retention_days * 86_400

    @property
    def gigabytes(self) -> float:
        large = self.workload.large_share * self.workload.large_kilobytes
        return self.held_tasks * RECORD_GIGABYTES * (1 + large)

    @property
    def partitions(self) -> int:
        """As many as their writes or their size ask for; AWS splits a little earlier, and never joins them again."""
        by_writes = (self.task_units + self.run_units) / QUOTAS["partition writes"].limit
        return max(4, math.ceil(by_writes), math.ceil(self.gigabytes / PARTITION_GIGABYTES))

    # -- the observer

    @property
    def stream_records(self) -> float:
        """Changes of tasks per second: nodes are released as well."""
        changes = TASK_CHANGES + 2 * self.workload.retries_per_task
        return self.workload.tasks_per_second * (changes + self.workload.node_share)

    @property
    def observer_batch(self) -> float:
        """Records a batch: what a shard gathers in the window, at most the batch's size."""
        gathered = self.stream_records / self.partitions * self.config.observer_window_seconds
        return max(1.0, min(self.config.observer_batch, gathered))

    @property
    def observer_batches(self) -> float:
        return self.stream_records / self.observer_batch

    def tenants_among(self, records: float) -> float:
        """Distinct ones, expected."""
        busiest, others = self.workload.busiest_tenant_share, self.workload.tenants - 1
        found = 1 - (1 - busiest) ** records
        return float(found + others * (1 - (1 - (1 - busiest) / others) ** records)) if others else float(found)

    @property
    def journal_records(self) -> float:
        """In the shard of the stream that holds the journal: one of every batch, and its own share of the tasks."""
        return self.observer_batches + self.stream_records / self.partitions

    @property
    def journal_batch(self) -> float:
        return min(self.config.observer_batch, self.journal_records * self.config.observer_window_seconds)

    @property
    def journal_batches(self) -> float:
        return self.journal_records / self.journal_batch

    @property
    def counter_writes(self) -> float:
        """A batch of the journal is one write for each tenant that anything in it is of."""
        return self.journal_batches * self.tenants_among(self.stream_records / self.journal_batches)

    @property
    def observer_seconds(self) -> float:
        return 0.005 + CALL_SECONDS

    def journal_seconds(self, batch: float) -> float:
        """Of a batch of so many of the journal's records: its counters are written one after another."""
        return self.observer_seconds + self.tenants_among(batch * self.observer_batch) * CALL_SECONDS

    # -- Lambda

    @property
    def requests(self) -> float:
        submits = self.workload.alone_per_second / self.workload.tasks_per_request
        return submits + self.workload.runs_per_second + self.workload.tasks_per_second * self.workload.reads_per_task

    @property
    def attempt_seconds(self) -> float:
        return self.workload.handler_seconds + ATTEMPT_CALLS * CALL_SECONDS

    def lane_attempts(self, lane: str) -> float:
        return self.workload.attempts_per_second * dict(self.workload.lanes)[lane]

    def lane_concurrency(self, lane: str) -> float:
        """Invocations at once with full batches, which is what a lane that is near its limit gets."""
        return self.lane_attempts(lane) * self.attempt_seconds / constant("infra/functions/worker.py", "BATCH_SIZE")

    @property
    def concurrency(self) -> float:
        workers = sum(self.lane_concurrency(lane.name) for lane in self.config.lanes)
        api = self.requests * API_SECONDS
        starts = per_run(self.workload, "start_writes") * CALL_SECONDS / WRITES_SIDE_BY_SIDE
        observer = self.observer_batches * self.observer_seconds
        observer += self.journal_batches * self.journal_seconds(self.journal_batch)
        return workers + api + self.workload.runs_per_second * starts + observer

    # -- the rest

    @property
    def executions(self) -> float:
        return self.workload.runs_per_second + self.workload.tasks_per_second * self.workload.notified_share

    @property
    def timers(self) -> float:
        return self.workload.alone_per_second * self.workload.timer_share

    def rows(self) -> list[Row]:
        """Everything with a limit, the fullest first."""
        work, config, shards = self.workload, self.config, self.config.listing_shards
        tenant_listing = self.listing_units * work.busiest_tenant_share / shards
        tenant_dead = work.tasks_per_second * work.dead_share * work.busiest_tenant_share / shards
        found = [
            row("API throttle", self.requests, config.throttle_rate, "requests/s, stage", Kind.CONFIG),
            of("API requests", self.requests, "api requests"),
            of("Lambda concurrency", self.concurrency, "lambda concurrency"),
            *(self._lane(lane.name, lane.max_concurrency) for lane in config.lanes),
            *(
                of(f"{name}: messages in flight", self.lane_attempts(name) * self.attempt_seconds, "sqs in flight")
                for name in (lane.name for lane in config.lanes)
            ),
            of("schedules held", self.timers * work.timer_days * 86_400, "schedules held"),
            of("schedules made", self.timers, "schedules made"),
            of("schedules fired", self.timers, "schedules fired"),
            of("executions started", self.executions, "states started"),
            of("runs answered", work.runs_per_second, "states answered"),
            of("transitions", self.executions * TRANSITIONS, "states transitions"),
            of("runs open", work.runs_per_second * work.run_seconds, "states open"),
            of("table writes", self.table_units, "table writes"),
            of("table reads", self.read_units, "table reads"),
            of("listing index writes", self.listing_units, "index writes"),
            of("listing partition of a tenant", tenant_listing, "partition writes"),
            of("dead-letter partition of a tenant", tenant_dead, "partition writes"),
            of("journal of the counts, writes", self.journal_units, "partition writes"),
            row(
                "journal of the counts, its reader",
                self.journal_records,
                config.observer_batch / self.journal_seconds(config.observer_batch),
                "records/s, one batch after another",
                Kind.CONFIG,
            ),
            row(
                "observer, one stream shard",
                self.stream_records / self.partitions,
                config.observer_batch / self.observer_seconds,
                "records/s",
                Kind.DESIGN,
            ),
            of("documents", work.alone_per_second * work.document_share, "s3 puts"),
        ]
        return sorted(found, key=lambda it: -it.use)

    def _lane(self, lane: str, most: int) -> Row:
        unit = f"invocations at once, MaximumConcurrency (≤ {MAXIMUM_CONCURRENCY:,})"
        return row(f"{lane}: workers", self.lane_concurrency(lane), most, unit, Kind.CONFIG)


def of(what: str, demand: float, quota: str) -> Row:
    return Row(what=what, demand=demand, quota=QUOTAS[quota])


def row(what: str, demand: float, limit: float, unit: str, kind: Kind) -> Row:
    return Row(what=what, demand=demand, quota=Quota(limit, unit, kind, "infra/config.py"))


def met_at(workload: Workload, config: Config, what: str) -> float:
    """Tasks a second at which this limit is met, all else of the workload the same. Infinite: not below 10⁹."""

    def use(load: Load) -> float:
        return next(it.use for it in load.rows() if it.what == what)

    return rate_at(workload, config, use)


def rate_at(workload: Workload, config: Config, used: Callable[[Load], float]) -> float:
    """Tasks a second at which `used`, which grows with them, is 1."""
    low, high = 0.0, 1e9

    def use(rate: float) -> float:
        return used(Load(workload=workload.at(rate), config=config))

    if use(high) < 1:
        return math.inf
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if use(middle) < 1 else (low, middle)
    return high
