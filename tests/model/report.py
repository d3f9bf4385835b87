"""docs/scale.md: the model's figures and what they mean. A test holds the file to what this writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from app import CONFIGS
from functions.core.workflows.tallies import FAN_IN
from infra.config import Config
from tests.model.costs import run_cost, task_units
from tests.model.hot_keys import Share
from tests.model.load import COUNTER_UNITS, Load, Row, met_at, rate_at
from tests.model.quotas import NEW_TABLE_WRITES, QUOTAS, READ_ON, Kind
from tests.model.remedies import remedy
from tests.model.workload import Workload

RATES = (100, 10_000, 1_000_000)
SHOWN = 0.1
"""Limits that are used less than this are left out."""
CELL = 10_000
"""Tasks a second that one deployment is sized for; more is more deployments."""
HOT = "## Hot keys"


def document(shares: Iterable[Share], *, ids: int) -> str:
    work = Workload(tasks_per_second=RATES[0])
    lines = [
        "# Scale",
        "",
        "`make model ARGS='--write docs/scale.md'` writes this page; do not edit it. From a workload and"
        " a configuration "
        "it computes every rate that has a limit. The figures are averages of a sustained load, computed from the "
        "constants, plans and key functions of the code. Nothing was run at these rates. The limits are those of an "
        "account in us-east-1 with default quotas.",
        "",
        *assumed(work),
        *first_ceilings(work),
        *new_account(work),
        *(line for rate in RATES for line in at_rate(work.at(rate))),
        *counting(work, CONFIGS["prod"]),
        *ladder(work, CONFIGS["prod"]),
        *beyond(work, CONFIGS["prod"]),
        *runs(work),
        *hot_keys(shares, ids=ids),
        *quotas(),
    ]
    return "\n".join(lines)


def assumed(work: Workload) -> list[str]:
    lanes = ", ".join(f"{name} {share:.0%}" for name, share in work.lanes)
    shapes = ", ".join(f"{shape.name} ({shape.runs_share:.0%})" for shape in work.shapes)
    return [
        "## The workload",
        "",
        "| | |",
        "|---|---|",
        f"| nodes of workflows | {work.node_share:.0%} of all tasks; runs: {shapes} |",
        f"| delayed within 15 min / by timer | {work.delayed_share:.0%} / {work.timer_share:.0%} of the others, timers "
        f"held {work.timer_days:g} days |",
        f"| attempts beyond the first | {work.retries_per_task:g} a task |",
        f"| end as FAILED or DEAD | {work.dead_share:.1%} |",
        f"| handler | {work.handler_seconds * 1000:.0f} ms |",
        f"| payload | {work.large_share:.0%} of {work.large_kilobytes:g} KB, {work.document_share:.1%} in S3, "
        "the rest in the record |",
        f"| requests | {work.tasks_per_request:g} task a submit, {work.reads_per_task:g} read a task |",
        f"| lanes | {lanes} |",
        f"| tenants | {work.tenants}, the busiest with {work.busiest_tenant_share:.0%} |",
        f"| notified | {work.notified_share:.0%} of tasks |",
        "",
        f"Such a task costs {task_units(work):.2f} write units, plus 1 for its listing entry and its share of"
        " the counters. "
        "Another workload: `make model ARGS='--rate 500 --handler-seconds 2 --batch 100'`.",
        "",
    ]


def first_ceilings(work: Workload) -> list[str]:
    lines = [
        "## The first ceilings",
        "",
        "| configuration | met at | what | raised by |",
        "|---|---|---|---|",
    ]
    for config in CONFIGS.values():
        for what, rate, row in ceilings(work, config)[:4]:
            lines.append(f"| {config.environment} | {figure(rate)}/s | {what} | {row.quota.kind} |")
    return [*lines, ""]


def new_account(work: Workload) -> list[str]:
    quota = QUOTAS["lambda concurrency, new account"]
    lines = [
        "## A new account",
        "",
        f"A new account may have {quota.limit:,.0f} concurrent Lambda invocations instead of "
        f"{QUOTAS['lambda concurrency'].limit:,.0f}, until it has been in use for a while or has requested"
        " more. If the "
        "workers take all of them, the API answers 503 meanwhile. Tasks wait; none is lost.",
        "",
        "| configuration | workers may take | left for all else | all are taken at |",
        "|---|---|---|---|",
    ]
    for config in CONFIGS.values():
        workers = sum(lane.max_concurrency for lane in config.lanes)
        rate = rate_at(work, config, lambda load: load.concurrency / quota.limit)
        left = max(0, round(quota.limit) - workers)
        lines.append(f"| {config.environment} | {workers} | {left} | {figure(rate)} tasks/s |")
    return [*lines, ""]


def ceilings(work: Workload, config: Config) -> list[tuple[str, float, Row]]:
    """What, the tasks a second at which it is met, the row; the first ceiling first. Those never met are left out."""
    rows = Load(workload=work, config=config).rows()
    found = [(row.what, met_at(work, config, row.what), row) for row in rows]
    return sorted((it for it in found if it[1] < math.inf), key=lambda it: it[1])


def at_rate(work: Workload) -> list[str]:
    lines = [f"## {work.tasks_per_second:,.0f} tasks a second", ""]
    for config in CONFIGS.values():
        load = Load(workload=work, config=config)
        rows = [row for row in load.rows() if row.use >= SHOWN]
        over = [row for row in rows if row.use > 1]
        verdict = f"{len(over)} limits are exceeded" if over else "within every limit"
        lines += [
            f"**{config.environment}**: {verdict}. {figure(load.table_units)} write units/s to the table "
            f"({figure(load.counter_units)} of them counters), {figure(load.listing_units)} to the listing index, "
            f"{figure(load.read_units)} read units/s; {load.partitions:,} partitions and stream shards "
            f"({figure(load.gigabytes)} GB kept for {config.retention_days} days), {figure(load.observer_batches)} "
            f"observer batches/s of {figure(load.observer_batch)}; {figure(load.concurrency)} Lambdas at once; "
            f"{figure(load.timers)} schedules made a second and {figure(load.timers * work.timer_days * 86_400)} held; "
            f"{figure(load.executions)} executions started and {figure(work.runs_per_second)} answered a second.",
            "",
            *table(rows),
        ]
        if over:
            lines += [f"Fullest: {over[0].what}. {remedy(over[0].what)}", ""]
    return lines


def table(rows: Iterable[Row]) -> list[str]:
    lines = ["| | needs | limit | used | raised by |", "|---|---|---|---|---|"]
    for row in rows:
        used = f"{row.use:.0%}" if row.use < 10 else f"{figure(row.use)} ×"
        lines.append(
            f"| {row.what} | {figure(row.demand)} | {figure(row.quota.limit)} {row.quota.unit} "
            f"| {f'**{used}**' if row.use > 1 else used} | {row.quota.kind} |"
        )
    return [*lines, ""]


def counting(work: Workload, config: Config) -> list[str]:
    lines = [
        f"## What counting costs: {config.environment}",
        "",
        "A batch of the stream is one write to the journal, for all tenants in it. A batch of the journal's own "
        "records is one write per tenant ([ADR 16](adr/0016-counting.md)). Each partition of the table has a stream "
        "shard, and the number of partitions grows with the stored data. So at low rates a batch has few records. A "
        "longer window makes batches larger. Counts are at most about two windows old.",
        "",
        "| tasks/s | tenants | window | records a batch | journal units/s | counter units/s | write units a task |",
        "|---|---|---|---|---|---|---|",
    ]
    for rate in RATES[:2]:
        for tenants, busiest in ((1, 1.0), (work.tenants, work.busiest_tenant_share), (1000, 0.03)):
            for window in (1, config.observer_window_seconds, 60):
                asked = replace(work.at(rate), tenants=tenants, busiest_tenant_share=busiest)
                load = Load(workload=asked, config=replace(config, observer_window_seconds=window))
                lines.append(
                    f"| {rate:,} | {tenants:,} | {window} s | {figure(load.observer_batch)} "
                    f"| {figure(load.journal_units)} | {figure(load.counter_writes * COUNTER_UNITS)} "
                    f"| {load.counter_units / rate:.2f} |"
                )
    return [*lines, ""]


def ladder(work: Workload, config: Config) -> list[str]:
    lines = [
        f"## The ladder: {config.environment}, ceiling by ceiling",
        "",
        f"A new table has a lower limit on its first day: {figure(NEW_TABLE_WRITES)} write units/s at once, "
        "then twice its highest rate so far every half hour.",
        "",
        "| tasks/s | ceiling | raised by | what to do |",
        "|---|---|---|---|",
    ]
    for what, rate, row in ceilings(work, config):
        if rate <= 10 * CELL:
            lines.append(f"| {figure(rate)} | {what} | {row.quota.kind} | {remedy(what)} |")
    return [*lines, ""]


def beyond(work: Workload, config: Config) -> list[str]:
    rows = [row for row in Load(workload=work.at(CELL), config=config).rows() if row.use > 1]
    asked = [row for row in rows if row.quota.kind in (Kind.ADJUSTABLE, Kind.CONFIG)]
    ours = [row for row in rows if row.quota.kind in (Kind.DESIGN, Kind.HARD)]
    needs = "; ".join(f"{row.what} {figure(row.demand)} ({row.use:.1f} × its limit)" for row in asked)
    design = "; ".join(f"{row.what} ({row.use:.1f} ×)" for row in ours)
    return [
        "## A million a second",
        "",
        f"AWS does not raise a quota of one account a hundredfold. So above about {figure(CELL)}/s, use cells: "
        "deployments of this stack in separate accounts, with the tenants distributed among them by the callers. "
        f"A million tasks a second need {RATES[-1] // CELL} such cells. Nothing crosses a cell: the nodes"
        " of a run, the "
        "listing of a tenant and the deduplication of a key are within one. A tenant that needs more than one cell is "
        "split by its caller.",
        "",
        f"With this workload, a cell of {figure(CELL)}/s needs these limits raised before it starts: {needs}.",
        "",
        f"Also over its limit, and not raised by AWS on request: {design}. Then counts are late; "
        "no task waits for them. The remedy is in the ladder.",
        "",
    ]


def runs(work: Workload) -> list[str]:
    lines = [
        "## Runs of workflows",
        "",
        "In these figures every first attempt succeeds. A run is one execution with five transitions,"
        " whatever the DAG. Joins "
        f"and tallies have at most {FAN_IN} members, so no record is written much more often than that.",
        "",
        "| shape | nodes | edges | writes | a node | joins | tallies | writes to the busiest record |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for shape in work.shapes:
        cost = run_cost(shape)
        lines.append(
            f"| {shape.name} | {cost.nodes:,} | {cost.edges:,} | {cost.writes:,} | {cost.writes / cost.nodes:.2f} "
            f"| {cost.joins} | {cost.tallies} | {cost.busiest_record_writes} |"
        )
    return [*lines, ""]


def hot_keys(shares: Iterable[Share], *, ids: int) -> list[str]:
    lines = [
        HOT,
        "",
        f"The real key functions over {ids:,} simulated ids, half from idempotency keys, half time-ordered. No key is "
        "shared by all tasks: the busiest share falls with the number of tasks, or of shards. The journal of the "
        "counts is one key, written once per batch; it has a row of its own above.",
        "",
        "| key | keys | busiest | its share | × an even share |",
        "|---|---|---|---|---|",
    ]
    for it in shares:
        share = f"{it.share:.2%}" if it.share >= 0.001 else f"{it.share:.6%}"
        lines.append(f"| {it.what} | {it.keys:,} | {it.busiest:,} | {share} | {it.over_even:.2f} |")
    return [*lines, ""]


def quotas() -> list[str]:
    lines = [
        "## Limits",
        "",
        f"Read on {READ_ON}, for us-east-1; other regions have less. * from memory: not found in AWS's documentation.",
        "",
        "| limit | | raised by | source |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {quota.limit:,.0f}{'' if quota.checked else ' *'} | {quota.unit} | {quota.kind} "
        f"| [{name}]({quota.source}) |"
        for name, quota in QUOTAS.items()
    ]
    return [*lines, ""]


def figure(value: float) -> str:
    """Three digits that matter, no more: it is a model."""
    if value == 0:
        return "0"
    if value >= 1e9:
        return f"{value / 1e9:.3g} billion"
    if value >= 1000:
        digits = 10 ** max(0, math.floor(math.log10(value)) - 2)
        return f"{round(value / digits) * digits:,}"
    return f"{value:.3g}"


def as_json(work: Workload, config: Config) -> Mapping[str, object]:
    load = Load(workload=work, config=config)
    return {
        "environment": config.environment,
        "tasksPerSecond": work.tasks_per_second,
        "rows": [
            {
                "what": row.what,
                "needs": row.demand,
                "limit": row.quota.limit,
                "unit": row.quota.unit,
                "raisedBy": row.quota.kind,
            }
            for row in load.rows()
        ],
    }
