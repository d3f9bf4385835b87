"""Taskyard's own stack in the local runtime: what is due runs at its time, and what it cost is counted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from local.system import LocalSystem

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]


def submit(system: LocalSystem, **body: Any) -> str:
    task = {"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}, **body}
    answer = httpx.post(f"{system.url}/tasks", json=task, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def task(system: LocalSystem, id: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{system.url}/tasks/{id}", timeout=30).json()
    return found


def test_a_task_sent_over_http_runs_to_its_end(system: LocalSystem) -> None:
    id = submit(system)
    assert system.settle()
    assert task(system, id)["state"] == "SUCCESS"


@pytest.mark.parametrize("seconds", [5, 20 * 60, 30 * 86_400])
def test_a_delayed_task_starts_within_two_seconds_of_its_time(system: LocalSystem, seconds: int) -> None:
    id = submit(system, delaySeconds=seconds)
    system.clock.advance(seconds - 2.5)
    assert task(system, id)["state"] == "PENDING"
    system.clock.advance(120)
    done = task(system, id)
    assert done["state"] == "SUCCESS"
    late = datetime.fromisoformat(done["startedAt"]) - datetime.fromisoformat(done["runAt"])
    assert 0 <= late.total_seconds() < 2


def test_calls_and_write_units_are_counted(system: LocalSystem) -> None:
    assert system.settle()
    system.calls.reset()
    submit(system)
    assert system.settle()
    assert system.calls.calls["api", "sqs", "SendMessage"] == 1
    assert system.calls.calls["api", "dynamodb", "PutItem"] == 1
    assert system.calls.write_units["api"] + system.calls.write_units["worker-normal"] == 4


def test_no_function_failed_and_no_call_was_denied(system: LocalSystem) -> None:
    earlier = {invocation.request_id for invocation in system.invocations}
    submit(system)
    assert system.settle()
    made = [invocation for invocation in system.invocations if invocation.request_id not in earlier]
    # Not the notifier's: deliveries of other tests, which nobody takes, are tried again while this one runs.
    ended = {(invocation.function, invocation.error) for invocation in made if invocation.function != "notifier"}
    assert ended == {("api", None), ("worker-normal", None), ("observer", None)}
    assert not any("not authorized" in line for label in ("api", "worker-normal") for line in system.logs(label))
