"""What a million tasks cost at list price, from what was counted. Pure: every number is here or was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DATED = "2026-02"
"""us-east-1, list prices, without free tiers and without discounts; checked against AWS's price pages then."""


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
class Compute:
    """What a Lambda is assumed to be billed for; nothing here is measured, moto's speed is not AWS's."""

    memory_gb: float = 0.5
    observer_memory_gb: float = 0.25
    handler_ms: float = 50.0
    """Of a task's own work. Ten run side by side: a batch is billed once for it, not ten times."""
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


FORMULA = """\
$ per million tasks =
    api requests      × 1.00                                             HTTP API
  + api requests      × (0.20 + GB-s of one × 13.33)                     its Lambda: 512 MB, 12 ms a single submit,
                                                                         12 ms + 0.7 ms a task in a batch
  + SQS requests      × 0.40                                             send, receive, delete; batch calls count one
  + write units       × 0.625  +  read units × 0.125                     DynamoDB, on demand, index writes included
  + worker batches    × (0.20 + 0.5 GB × (50 ms handler + 15 ms) × 13.33)  ten tasks side by side in one
  + observer batches  × (0.20 + 0.25 GB × 20 ms × 13.33)                 counts per state, from the table's stream"""


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


def usage_of(measured: Mapping[str, object]) -> Usage:
    """Of one contender of one round (tests/bench/rounds.py). What works behind its back is paid for too."""
    calls: Mapping[str, float] = measured["calls"]  # type: ignore[assignment]
    behind: Mapping[str, float] = measured.get("behind") or {"writeUnits": 0.0, "readUnits": 0.0}  # type: ignore[assignment]
    invoked: Mapping[str, float] = measured.get("invocations") or {}  # type: ignore[assignment]
    api = float(measured["api"])  # type: ignore[arg-type]
    return Usage(
        api_requests=api,
        api_batch=1 / api if api else 1.0,
        sqs_requests=sum(count for name, count in calls.items() if name.startswith("sqs.")),
        write_units=float(measured["writeUnits"]) + behind["writeUnits"],  # type: ignore[arg-type]
        read_units=float(measured["readUnits"]) + behind["readUnits"],  # type: ignore[arg-type]
        worker_invocations=calls.get("sqs.ReceiveMessage", 0.0) if api else 0.0,
        observer_invocations=invoked.get("observer", 0.0),
    )
