"""What is deployed: functions, queues, environments. tests/infra/test_simulated.py holds it to the template."""

from __future__ import annotations

import json
from functools import cache

from app import CONFIGS
from infra.auth import auth_rules

CONFIG = CONFIGS["dev"]
LANES = tuple(lane.name for lane in CONFIG.lanes)
POOL = "images"
"""A second pool, with one lane of its name. No template of this repository has it."""
ALL_LANES = (*LANES, POOL)
TABLE, BUCKET, GROUP, ACCOUNT = "taskyard", "documents", "timers", "123456789012"
MODULES = {
    "api": "functions.api.handler",
    **{f"worker-{lane}": "functions.worker.handler" for lane in ALL_LANES},
    "dead-letter": "functions.dead_letter.handler",
    "observer": "functions.observer.handler",
    "workflow": "functions.workflow.handler",
    "producer": "functions.producer.handler",
    "firing": "functions.producer.handler",
}
PACKAGES = {
    "core",
    "aws",
    "http",
    "store",
    "tasks",
    "intake",
    "runtime",
    *(name.split(".")[1] for name in MODULES.values()),
}
TIMEOUTS = {
    "api": 29,
    **dict.fromkeys((f"worker-{lane}" for lane in ALL_LANES), CONFIG.worker_timeout_seconds),
    "dead-letter": 30,
    "observer": 30,
    "workflow": 900,
    "producer": 30,
    "firing": 30,
}
"""Seconds."""
MAX_RECEIVES = 12
DEAD_LETTER_VISIBILITY_SECONDS = 40
PRODUCER_PAUSE_SECONDS = 300
"""Visibility of what producer and firing function failed at."""
RUN_MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:run"
SCHEDULES_GROUP = "schedules"


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"


def queue_arn(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"


@cache
def environment(function: str) -> dict[str, str]:
    """As the template sets it."""
    lanes = {
        "url": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/",
        "arn": queue_arn(""),
        "queues": {lane: [lane, f"{lane}-dead"] for lane in ALL_LANES},
    }
    return {
        "ENVIRONMENT": "dev",
        "TABLE_NAME": TABLE,
        "DOCUMENT_BUCKET": BUCKET,
        "LANES": json.dumps(lanes),
        "TIMER_GROUP": GROUP,
        "TIMER_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/timers",
        "RETENTION_DAYS": str(CONFIG.retention_days),
        "AUDIT_RETENTION_DAYS": str(CONFIG.audit_retention_days),
        "WORKER_TIMEOUT_SECONDS": str(CONFIG.worker_timeout_seconds),
        "LISTING_SHARDS": str(CONFIG.listing_shards),
        "AUTH": json.dumps(auth_rules(CONFIG.auth)),
        "MAIL_FROM": CONFIG.mail_from,
        "MAIL_SENDERS": ",".join(CONFIG.senders),
        "RUN_MACHINE_ARN": RUN_MACHINE,
        "NOTIFY_MACHINE_ARN": f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:notifications",
        "WEBHOOK_REACH": CONFIG.webhook_reach,
        "WEBHOOK_SECRETS": CONFIG.secrets_path,
        "HANDLER_SECRETS": CONFIG.handler_secrets,
        "SCHEDULE_GROUP": SCHEDULES_GROUP,
        "SCHEDULE_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/schedules",
        "FIRING_ARN": function_arn("firing"),
        "LANE": function.removeprefix("worker-"),
        "LOG_LEVEL": "INFO",
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_METRICS_NAMESPACE": "Taskyard",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
