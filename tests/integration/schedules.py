"""What tests of schedules share: a schedule over the API, and firings as EventBridge Scheduler makes them of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import SCHEDULE_GROUP, Cloud

EVERY_MINUTE = {"rate": "1 minute", "task": MESSAGE}


def create(api: Api, **fields: Any) -> Any:
    """The new schedule, of a request that must be accepted. `cron` or `rate`; else every minute."""
    body = {"task": MESSAGE} | ({} if "cron" in fields or "rate" in fields else {"rate": "1 minute"}) | fields
    answer = api("POST", "/schedules", body)
    assert answer.status == 201, answer.body
    return answer.body


def look(api: Api, schedule: Any) -> Any:
    answer = api("GET", f"/schedules/{schedule['id']}")
    assert answer.status == 200, answer.body
    return answer.body


def tasks(api: Api) -> list[Any]:
    return list(api("GET", "/tasks", query={"limit": "100"}).body["tasks"])


def in_scheduler(aws: Cloud) -> list[dict[str, Any]]:
    scheduler = aws.client("scheduler")
    names = [found["Name"] for found in scheduler.list_schedules(GroupName=SCHEDULE_GROUP)["Schedules"]]
    return [scheduler.get_schedule(Name=name, GroupName=SCHEDULE_GROUP) for name in names]


def fire(aws: Cloud, at: int, *, made: dict[str, Any] | None = None) -> Any:
    """What the firing function answers when the one schedule in Scheduler (or `made`) is fired for `at` (epoch ms)."""
    if made is None:
        (made,) = in_scheduler(aws)
    time = f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return aws.invoke("firing", json.loads(made["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", time)))
