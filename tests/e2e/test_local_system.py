"""Taskyard's own stack in the local runtime: what is due runs at its time, and what it cost is counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.aws.calls import AwsCall, access_denied_response
from local.http_server import Response
from local.system import LocalSystem
from tests.e2e.callers import bearer

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]


def submit(system: LocalSystem, **body: Any) -> str:
    task = {"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}, **body}
    answer = httpx.post(f"{system.url}/tasks", json=task, headers=bearer(system), timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def task(system: LocalSystem, id: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{system.url}/tasks/{id}", headers=bearer(system), timeout=30).json()
    return found


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/task", 404, "no-such-route"),
        ("GET", "/", 404, "no-such-route"),
        ("PUT", "/tasks", 405, "method-not-allowed"),
        ("OPTIONS", "/tasks", 405, "method-not-allowed"),
        ("POST", "/monitor/health", 405, "method-not-allowed"),
    ],
)
def test_what_no_route_takes_is_refused_as_a_problem(
    system: LocalSystem, method: str, path: str, status: int, slug: str
) -> None:
    answer = httpx.request(method, f"{system.url}{path}", headers=bearer(system), timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["type"] == f"urn:taskyard:problem:{slug}"
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(("api", "status", "message"), [("url", 401, "Unauthorized"), ("iam_url", 403, "Forbidden")])
def test_what_no_route_takes_costs_a_stranger_no_invocation(
    system: LocalSystem, api: str, status: int, message: str
) -> None:
    assert system.settle()
    before = len([each for each in system.invocations if each.function == "api"])
    answer = httpx.get(f"{getattr(system, api)}/task", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.json()) == (status, {"message": message})
    assert len([each for each in system.invocations if each.function == "api"]) == before


def test_an_internal_error_names_the_file_that_has_its_cause(system: LocalSystem) -> None:
    def refuse(caller: str, call: AwsCall, answer: Callable[[], Response]) -> Response:
        if (caller, call.operation) == ("api", "GetItem"):
            return access_denied_response(call.service, "not today")
        return answer()

    system.intercept(refuse)
    try:
        problem = httpx.get(f"{system.url}/tasks/{'0' * 26}", headers=bearer(system), timeout=30).json()
    finally:
        system.intercept(lambda caller, call, answer: answer())
    assert problem["type"] == "urn:taskyard:problem:internal-error"
    file = Path(problem["detail"].rpartition(" ")[2])
    assert file.is_absolute()
    assert "not today" in file.read_text().partition(problem["requestId"])[2]


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
    system.usage.reset()
    submit(system)
    assert system.settle()
    assert system.usage.calls["api", "sqs", "SendMessage"] == 1
    assert system.usage.calls["api", "dynamodb", "PutItem"] == 1
    assert system.usage.write_units["api"] + system.usage.write_units["worker-normal"] == 4


def test_no_function_failed_and_no_call_was_denied(system: LocalSystem) -> None:
    earlier = {invocation.request_id for invocation in system.invocations}
    submit(system)
    assert system.settle()
    made = [invocation for invocation in system.invocations if invocation.request_id not in earlier]
    # Not the notifier's: deliveries of other tests, which nobody takes, are tried again while this one runs.
    ended = {(invocation.function, invocation.error) for invocation in made if invocation.function != "notifier"}
    assert ended == {("api", None), ("worker-normal", None), ("observer", None)}
    assert not any("not authorized" in line for label in ("api", "worker-normal") for line in system.logs(label))
