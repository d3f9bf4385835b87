"""A deployment in the middle of its work: something of every kind, named, so that a later release can look for it."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from functions.tasks import fail_sometimes
from functions.workflow import handler as workflow
from tests.compat.cloud import CompatCloud
from tests.integration.api import Api
from tests.integration.cloud import TENANT
from tests.integration.workflows import begin, step

HOUR = 3600
LARGE, MIDDLE = "x" * 300_000, "y" * 1_000
FAILS = {"type": "FAIL_SOMETIMES", "payload": {"probability": 1}}
RECOVERS = {"type": "FAIL_SOMETIMES", "payload": {"probability": 0.5, "seed": 0}}
"""Fails at its first attempt, succeeds at its second."""
KEYED = {"type": "DELAYED_MESSAGE", "payload": {"message": "keyed"}}
BULK = {"tags": {"of": "bulk"}, "reason": "not needed"}
WIDE = 45
"""A node with more neighbours than its record names: they are in chunks."""


def write(cloud: CompatCloud) -> dict[str, str]:
    """Fills the cloud. Name → id of a task, run or schedule."""
    api = Api(cloud)
    names: dict[str, str] = {}

    def submit(name: str, **fields: Any) -> str:
        names[name] = api.submit(**fields)["id"]
        return names[name]

    # Ended, in each way.
    submit("succeeded", tags={"of": "compat"}, notify=[{"webhook": "http://127.0.0.1:9/"}])
    submit("large", type="SEND_EMAIL", payload={"to": "ada@example.com", "subject": "Hello", "content": LARGE})
    submit("middle", payload={"message": MIDDLE})
    submit("mailed", type="SEND_EMAIL", payload={"to": "ada@example.com", "subject": "Hello"})
    dead = submit("dead", **FAILS, maxRetries=0)
    submit("skipped", dependencies=[dead])
    submit("recovered", **RECOVERS, maxRetries=3)
    cloud.work_off()
    names["keyed"] = api("POST", "/tasks", KEYED, headers={"idempotency-key": "compat-1"}).body["id"]
    cancelled = submit("cancelled", delaySeconds=HOUR)
    assert api("DELETE", f"/tasks/{cancelled}").status in (200, 202, 204)
    submit("cancelled in bulk", delaySeconds=HOUR, tags={"of": "bulk"})
    assert api("POST", "/tasks/cancel", BULK, headers={"idempotency-key": "compat-2"}).status == 200
    _runs(cloud, api, names)
    # Under way: in a lane, in Scheduler, after a failed attempt, blocked, and at its worker.
    submit("due", priority="high")
    later = submit("later", delaySeconds=HOUR)
    submit("blocked", dependencies=[later])
    submit("retried", **RECOVERS, maxRetries=3, retry={"strategy": "fixed", "baseSeconds": 600, "jitter": 0})
    cloud.work_off(until=lambda: api.get(names["retried"])["state"] == "RETRY")
    _claim(cloud, submit("running", **RECOVERS, maxRetries=3))
    _schedules(cloud, api, names)
    return names


def _runs(cloud: CompatCloud, api: Api, names: dict[str, str]) -> None:
    def run(name: str, nodes: list[dict[str, Any]]) -> Any:
        answer = api("POST", "/workflows", {"name": name, "nodes": nodes})
        assert answer.status == 201, answer.body
        names[name] = answer.body["id"]
        found = workflow.services().runs.get(TENANT, answer.body["id"])
        assert found is not None
        return found

    def node(name: str, *depends_on: str, **fields: Any) -> dict[str, Any]:
        return {"name": name, **KEYED, "dependsOn": list(depends_on), **fields}

    failed = run("failed run", [node("a", **FAILS, maxRetries=0), node("b", "a")])
    begin(cloud, failed, token="failed")
    cloud.work_off()
    step(cloud, "finish", failed, outcome=cloud.told[-1][1]["outcome"])
    wide = [f"w{n}" for n in range(WIDE)]
    started = run("started run", [node("first"), *(node(each, "first") for each in wide), node("last", *wide)])
    begin(cloud, started, token="started")
    run("pending run", [node("a"), node("b", "a")])


def _claim(cloud: CompatCloud, task: str) -> None:
    """The records as they are while a worker runs the task: it dies there."""
    seen: list[dict[str, Any]] = []

    def look(seed: Any = None) -> random.Random:
        seen.extend(cloud.table.items())
        return random.Random(seed)

    body = next(message.body for message in cloud.messages.values() if json.loads(message.body).get("task") == task)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fail_sometimes, "random", SimpleNamespace(Random=look))
        cloud.work_off(until=lambda: bool(seen))
    for item in seen:
        if task in item["pk"]["S"]:
            cloud.table.call("put_item", {"TableName": cloud.env["TABLE_NAME"], "Item": item})
    for name, message in list(cloud.messages.items()):
        if json.loads(message.body).get("task") == task:
            del cloud.messages[name]
    cloud.deliver_body(body)


def _schedules(cloud: CompatCloud, api: Api, names: dict[str, str]) -> None:
    for name, fields in {"schedule": {}, "paused schedule": {"paused": True, "catchUp": "last"}}.items():
        answer = api("POST", "/schedules", {"name": name, "rate": "1 hour", "task": KEYED, **fields})
        assert answer.status == 201, answer.body
        names[name] = answer.body["id"]
    cloud.clock.advance(HOUR)
    assert fire(cloud, names["schedule"])


def fire(cloud: CompatCloud, schedule: str) -> Any:
    """As EventBridge Scheduler does, for now."""
    (made,) = [each for key, each in cloud.scheduled.items() if schedule in key]
    time = f"{datetime.fromtimestamp(cloud.clock() / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return cloud.invoke("firing", json.loads(made["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", time)))
