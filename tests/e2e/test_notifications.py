"""Notifications through the whole system: the machine of the template, its pauses on the virtual clock, its secret."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from local.system import LocalSystem
from tests.e2e.callers import bearer
from tests.integration.receiver import Got, Reply, receiver

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

DAY_SECONDS = 24 * 3600
SECRET = hashlib.sha512(b"taskyard/dev/webhooks/123456789012/default").hexdigest()[:64]
"""As local/aws/provisioning.py makes it."""


def submit(system: LocalSystem, *notify: dict[str, str], payload: dict[str, Any] | None = None) -> httpx.URL:
    task = {"type": "FAIL_SOMETIMES", "payload": payload or {"probability": 0}, "maxRetries": 0, "notify": list(notify)}
    answer = httpx.post(f"{system.url}/tasks", json=task, headers=bearer(system), timeout=30)
    assert answer.status_code == 201, answer.text
    assert system.settle()
    return httpx.URL(system.url).join(answer.headers["location"])


def states(system: LocalSystem, url: httpx.URL) -> list[str]:
    return [entry["state"] for entry in httpx.get(url, headers=bearer(system), timeout=30).json()["notifications"]]


def check_signature(got: Got) -> None:
    """By the library's own signature: its verify() goes by the real time, the system by a virtual one."""
    headers = {name.lower(): value for name, value in got.headers.items()}
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signature = Webhook(SECRET).sign(headers["webhook-id"], at, got.body.decode())
    assert signature in headers["webhook-signature"].split(" ")


def test_success_and_failure_are_told(system: LocalSystem) -> None:
    with receiver() as here:
        done = submit(system, {"webhook": here.url, "on": "success"}, {"webhook": here.url, "on": "failure"})
        assert states(system, done) == ["DELIVERED"]
        failed = submit(system, {"webhook": here.url, "on": "failure"}, payload={"probability": 1})
        assert states(system, failed) == ["DELIVERED"]
    assert [json.loads(got.body)["type"] for got in here.got] == ["task.succeeded", "task.dead"]
    for got in here.got:
        check_signature(got)


def test_an_outage_of_hours_delays_it(system: LocalSystem) -> None:
    with receiver(Reply(500), Reply(429, {"Retry-After": "7200"}), Reply(503), Reply()) as here:
        url = submit(system, {"webhook": here.url})
        assert states(system, url) == ["PENDING"]
        system.clock.advance(600)
        assert system.settle()
        assert len(here.got) == 2, "it asked for two hours"
        system.clock.advance(7300)
        assert system.settle()
        assert states(system, url) == ["DELIVERED"]
    assert len({got.headers["webhook-id"] for got in here.got}) == 1
    check_signature(here.got[-1])


def test_after_a_day_it_is_listed_and_the_task_is_as_it_was(system: LocalSystem) -> None:
    with receiver(Reply(500)) as here:
        url = submit(system, {"webhook": here.url})
        before = httpx.get(url, headers=bearer(system), timeout=30).json()
        for _ in range(26):
            system.clock.advance(3600)
            assert system.settle()
    after = httpx.get(url, headers=bearer(system), timeout=30).json()
    assert [entry["state"] for entry in after["notifications"]] == ["UNDELIVERABLE"]
    assert 30 <= len(here.got) <= 34
    assert before | {"notifications": []} == after | {"notifications": []}
    listed = httpx.get(
        f"{system.url}/notifications", params={"state": "UNDELIVERABLE"}, headers=bearer(system), timeout=30
    ).json()
    assert after["id"] in [entry["id"] for entry in listed["notifications"]]


def test_a_task_that_names_a_secret_is_signed_by_a_worker(system: LocalSystem) -> None:
    """Under the worker's own role, which may read the secret."""
    with receiver() as here:
        task = {"type": "WEBHOOK_CALL", "payload": {"url": here.url, "body": {"a": 1}, "secret": "default"}}
        answer = httpx.post(f"{system.url}/tasks", json=task, headers=bearer(system), timeout=30)
        assert answer.status_code == 201, answer.text
        assert system.settle()
        got = here.got[0]
    assert got.headers["webhook-id"] == answer.json()["id"]
    check_signature(got)
