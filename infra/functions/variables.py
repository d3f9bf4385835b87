"""The environment variables of the functions, each with its one description.

`Function` refuses a variable that is not described here. What a function reads: functions/runtime/environment.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "AUTH": "JSON: how the identities of each HTTP API become tenants and roles (`iam`, `jwt`).",
        "AUDIT_RETENTION_DAYS": "Days after which an audit record expires.",
        "DOCUMENT_BUCKET": "Name of the bucket of payloads and results that are too large for the table.",
        "ENVIRONMENT": "Name of the deployment, `dev` or `prod`; a dimension of every metric.",
        "FIRING_ARN": "ARN of the function that EventBridge Scheduler calls when a schedule fires.",
        "LANE": "Name of the lane whose queue this worker consumes.",
        "LANES": "JSON: `url` and `arn` that the names of queues are appended to; `queues`: name of each lane → "
        "names of its queue and its dead-letter queue.",
        "LISTING_SHARDS": "Number of partitions per tenant of both indexes.",
        "LOG_LEVEL": "Lowest level that is logged: DEBUG, INFO or WARNING. Powertools reads it.",
        "MAIL_FROM": "Sender of notification mail, and of tasks that name no sender.",
        "MAIL_SENDERS": "Addresses that tasks may send mail from, separated by commas.",
        "NOTIFY_MACHINE_ARN": "ARN of the state machine that delivers notifications.",
        "POWERTOOLS_METRICS_NAMESPACE": "CloudWatch namespace of the metrics. Powertools reads it.",
        "POWERTOOLS_SERVICE_NAME": "Name of the function in logs and metrics. Powertools reads it.",
        "QUOTAS": "JSON: the quotas of tenants, `default` and `tenants`. Only where the configuration has quotas.",
        "RETENTION_DAYS": "Days after which a settled task expires.",
        "RUN_MACHINE_ARN": "ARN of the state machine that runs workflows.",
        "SCHEDULE_GROUP": "Name of the EventBridge Scheduler group of recurring schedules.",
        "SCHEDULE_ROLE_ARN": "ARN of the role with which EventBridge Scheduler fires recurring schedules.",
        "TABLE_NAME": "Name of the table of all records.",
        "TIMER_GROUP": "Name of the EventBridge Scheduler group of timers.",
        "TIMER_ROLE_ARN": "ARN of the role with which EventBridge Scheduler fires timers.",
        "WEBHOOK_REACH": "Addresses that webhooks may call: `public`, or `any` but loopback and link-local. Only "
        "the local system sets `local`: `any`, with loopback.",
        "HANDLER_SECRETS": "Path of the secrets that handlers read: `<path>/<tenant>/<name>`, else `<path>/<name>`.",
        "WEBHOOK_SECRETS": "Path of the secrets that webhooks are signed with: `<path>/<tenant>/<name>`.",
        "WORKER_TIMEOUT_SECONDS": "Time-out of the worker function, in seconds.",
    }
)
