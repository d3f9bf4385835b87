"""What a million tasks, and a month without any, cost at list price, from what was counted. Pure: every number is here
or was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATED = "2026-02"
"""us-east-1, list prices, without free tiers and without discounts."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Dollars per million of each."""

    http_api_request: float = 1.00
    """HTTP API, metered in steps of 512 KB."""
    sqs_request: float = 0.40
    """Standard queue, up to 64 KB each; a batch call of ten messages is one request."""
    write_unit: float = 0.625
    read_unit: float = 0.125
    lambda_request: float = 0.20
    lambda_gb_second: float = 13.33
    """arm64."""
    scheduler_invocation: float = 1.00
    state_transition: float = 25.00


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Dollars a month for what is there, used or not."""

    alarm_metric: float = 0.10
    """Standard resolution. An alarm on metric math is billed for each metric in it."""
    dashboard: float = 3.00
    """The first three of an account are free while they show no more than 50 metrics; ours shows more."""
    customer_key: float = 1.00
    """Of KMS. Each of the first two rotations, a year apart, adds as much."""
    secret: float = 0.40
    service_client: float = 6.00
    """Of a Cognito user pool, for tokens that it gets for itself. Each 1,000 tokens are 2.25 more."""
    polls: float = 5 * 3 * 60 * 730
    """Requests to SQS. Lambda's pollers of a queue are five, while it is empty; each long poll takes 20 seconds."""
    table_gb: float = 0.25
    backup_gb: float = 0.20
    """Point-in-time recovery, of the table's size."""
    bucket_gb: float = 0.023
    log_gb: float = 0.03


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What a Lambda is assumed to be billed for; nothing here is measured, moto's speed is not AWS's."""

    memory_gb: float = 0.5
    observer_memory_gb: float = 0.25
    handler_ms: float = 50.0
    """Of a task's own work, if it waits for something. Ten run side by side: a batch is billed once for it. Ten that
    compute share the processor, and are billed ten times."""
    around_ms: float = 15.0
    """Of an invocation: claim and settle, about 5 ms each, side by side too, and the runtime."""
    batch: float = 10.0
    api_ms: float = 12.0
    """Of one submit: two calls of about 5 ms."""
    api_batch_ms_per_task: float = 0.7
    """Of a submit in a batch: records go sixteen at a time, messages in tens."""
    observer_ms: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Per task. `worker_invocations`: 0.1 when batches are full; 0 for those whose workers are no Lambdas."""

    api_requests: float = 0.0
    api_batch: float = 1.0
    """Tasks a request."""
    sqs_requests: float = 0.0
    write_units: float = 0.0
    read_units: float = 0.0
    worker_invocations: float = 0.0
    observer_invocations: float = 0.0


def formula() -> str:
    p, c = Prices(), Compute()
    per_second, request = p.lambda_gb_second, p.lambda_request
    api = f"{c.memory_gb:g} GB × {c.api_ms:g} ms"
    rows = [
        ("api requests", f"{p.http_api_request:.2f}", "HTTP API"),
        ("api requests", f"({request:.2f} + {api} × {per_second})", "its Lambda"),
        ("", f"… + {c.memory_gb:g} GB × {c.api_batch_ms_per_task:g} ms a task × {per_second}", "of a batch submit"),
        ("SQS requests", f"{p.sqs_request:.2f}", "send, receive, delete; a batch call is one"),
        ("write units", f"{p.write_unit:g}", "DynamoDB on demand, index writes included"),
        ("read units", f"{p.read_unit:g}", ""),
        (
            "worker batches",
            f"({request:.2f} + {c.memory_gb:g} GB × ({c.handler_ms:g} + {c.around_ms:g} ms) × {per_second})",
            "ten handlers that wait, side by side, and what is around them",
        ),
        (
            "observer batches",
            f"({request:.2f} + {c.observer_memory_gb:g} GB × {c.observer_ms:g} ms × {per_second})",
            "counts per state, from the table's stream",
        ),
    ]
    lines = [f"  {'+ ' + what + ' ×' if what else '':20} {price:40} {note}".rstrip() for what, price, note in rows]
    return "\n".join(["$ per million tasks = the sum, per task, of", *lines])


def breakdown(usage: Usage, prices: Prices | None = None, compute: Compute | None = None) -> dict[str, float]:
    """Dollars per million tasks, by what they are paid for."""
    p, c = prices or Prices(), compute or Compute()
    api_ms = c.api_ms + (c.api_batch_ms_per_task * usage.api_batch if usage.api_batch > 1 else 0.0)
    worker_seconds = (c.handler_ms + c.around_ms) / 1000
    return {
        "HTTP API": usage.api_requests * p.http_api_request,
        "api Lambda": usage.api_requests * (p.lambda_request + c.memory_gb * api_ms / 1000 * p.lambda_gb_second),
        "SQS": usage.sqs_requests * p.sqs_request,
        "DynamoDB": usage.write_units * p.write_unit + usage.read_units * p.read_unit,
        "worker Lambda": usage.worker_invocations
        * (p.lambda_request + c.memory_gb * worker_seconds * p.lambda_gb_second),
        "observer Lambda": usage.observer_invocations
        * (p.lambda_request + c.observer_memory_gb * c.observer_ms / 1000 * p.lambda_gb_second),
    }


def dollars(usage: Usage) -> float:
    """Per million tasks, all in."""
    return sum(breakdown(usage).values())


def computing(compute: Compute | None = None) -> float:
    """Dollars per million tasks that are added when a handler computes for as long as it was taken to wait: a batch of
    ten takes ten times as long, at least."""
    p, c = Prices(), compute or Compute()
    return c.memory_gb * c.handler_ms / 1000 * p.lambda_gb_second * (1 - 1 / c.batch)


def usage_of(measured: Mapping[str, Any]) -> Usage:
    """Of one contender of one round (tests/bench/rounds.py). What works behind its back is paid for too."""
    calls, api, behind = measured["calls"], measured["api"], measured["behind"]
    return Usage(
        api_requests=api,
        api_batch=1 / api if api else 1.0,
        sqs_requests=sum(count for name, count in calls.items() if name.startswith("sqs.")),
        write_units=measured["writeUnits"] + behind["writeUnits"],
        read_units=measured["readUnits"] + behind["readUnits"],
        worker_invocations=calls.get("sqs.ReceiveMessage", 0.0) if api else 0.0,
        observer_invocations=measured["invocations"].get("observer", 0.0),
    )
