"""AWS's limits, as they are for an account in a large region (us-east-1) that has asked for nothing yet.

They change from time to time. What is not `checked` is from memory: it was not found in the documentation's text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

READ_ON = "2026-11-22"


class Kind(StrEnum):
    """What it takes to raise a limit."""

    CONFIG = "our configuration"
    DESIGN = "our design"
    ADJUSTABLE = "AWS, on request"
    HARD = "AWS, fixed"


@dataclass(frozen=True)
class Quota:
    limit: float
    unit: str
    kind: Kind
    source: str
    """Page of AWS's documentation."""
    checked: bool = True


DOCS = "https://docs.aws.amazon.com/"

QUOTAS: dict[str, Quota] = {
    "api requests": Quota(
        10_000, "requests/s, account", Kind.ADJUSTABLE, f"{DOCS}apigateway/latest/developerguide/limits.html"
    ),
    "lambda concurrency": Quota(
        1_000, "invocations at once, account", Kind.ADJUSTABLE, f"{DOCS}lambda/latest/dg/gettingstarted-limits.html"
    ),
    "lambda concurrency, new account": Quota(
        10, "invocations at once, account", Kind.ADJUSTABLE, f"{DOCS}lambda/latest/dg/gettingstarted-limits.html"
    ),
    "lambda scaling": Quota(
        100, "new environments/s, function", Kind.HARD, f"{DOCS}lambda/latest/dg/scaling-behavior.html"
    ),
    "event source": Quota(
        1_000,
        "MaximumConcurrency of one event source, at most",
        Kind.HARD,
        f"{DOCS}lambda/latest/dg/services-sqs-scaling.html",
    ),
    "sqs in flight": Quota(
        120_000,
        "messages in flight, queue",
        Kind.HARD,
        f"{DOCS}AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html",
    ),
    "schedules held": Quota(
        10_000_000, "schedules", Kind.ADJUSTABLE, f"{DOCS}scheduler/latest/UserGuide/scheduler-quotas.html"
    ),
    "schedules made": Quota(
        5_000, "CreateSchedule/s", Kind.ADJUSTABLE, f"{DOCS}scheduler/latest/UserGuide/scheduler-quotas.html"
    ),
    "schedules fired": Quota(
        1_000, "invocations/s", Kind.ADJUSTABLE, f"{DOCS}scheduler/latest/UserGuide/scheduler-quotas.html"
    ),
    "states started": Quota(
        300, "StartExecution/s (1,300 at once)", Kind.ADJUSTABLE, f"{DOCS}step-functions/latest/dg/service-quotas.html"
    ),
    "states answered": Quota(
        500, "SendTaskSuccess/s", Kind.ADJUSTABLE, f"{DOCS}step-functions/latest/dg/service-quotas.html"
    ),
    "states transitions": Quota(
        5_000,
        "transitions/s",
        Kind.ADJUSTABLE,
        f"{DOCS}step-functions/latest/dg/service-quotas.html",
        checked=False,
    ),
    "states open": Quota(
        1_000_000,
        "executions open",
        Kind.ADJUSTABLE,
        f"{DOCS}step-functions/latest/dg/service-quotas.html",
        checked=False,
    ),
    "table writes": Quota(
        40_000,
        "write units/s, table (4,000 on its first day)",
        Kind.ADJUSTABLE,
        f"{DOCS}amazondynamodb/latest/developerguide/ServiceQuotas.html",
    ),
    "table reads": Quota(
        40_000,
        "read units/s, table (12,000 on its first day)",
        Kind.ADJUSTABLE,
        f"{DOCS}amazondynamodb/latest/developerguide/ServiceQuotas.html",
    ),
    "index writes": Quota(
        40_000,
        "write units/s, index",
        Kind.ADJUSTABLE,
        f"{DOCS}amazondynamodb/latest/developerguide/ServiceQuotas.html",
    ),
    "partition writes": Quota(
        1_000,
        "write units/s, partition",
        Kind.HARD,
        f"{DOCS}amazondynamodb/latest/developerguide/bp-partition-key-design.html",
    ),
    "s3 puts": Quota(
        3_500,
        "PUT/s, prefix (S3 splits by itself)",
        Kind.HARD,
        f"{DOCS}AmazonS3/latest/userguide/optimizing-performance.html",
        checked=False,
    ),
}

NEW_TABLE_WRITES = 4_000
"""Write units a second that a new on-demand table takes at once; after that, twice its highest so far in 30 minutes."""
PARTITION_GIGABYTES = 10
MAXIMUM_CONCURRENCY = 1_000
