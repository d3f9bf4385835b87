"""DELETE /tasks/{id}: a task that has not started will not run."""

from __future__ import annotations

from typing import Any

import pytest

from functions.runtime.consequences import Consequences
from tests.integration.api import Answer, Api
from tests.integration.cloud import Cloud


def cancel(api: Api, task: dict[str, Any]) -> Answer:
    return api("DELETE", f"/tasks/{task['id']}")


def test_cancelled_it_is_and_stays(api: Api, aws: Cloud) -> None:
    task = api.submit()
    first, again = cancel(api, task), cancel(api, task)
    assert (first.status, first.body, again.status) == (204, "", 204)
    seen = api.get(task["id"])
    assert (seen["state"], seen["endedAt"], seen["attempts"]) == ("CANCELLED", "2026-02-02T02:40:00.000Z", [])
    aws.invoke("worker", aws.deliver())
    assert api.get(task["id"])["state"] == "CANCELLED"


def test_its_timer_is_forgotten(api: Api, aws: Cloud) -> None:
    task = api.submit(delaySeconds=86_400)
    assert len(aws.timers()) == 1
    cancel(api, task)
    assert aws.timers() == []


def test_it_expires_after_retention(api: Api, aws: Cloud) -> None:
    cancel(api, api.submit())
    (item,) = aws.items(audit=False)
    assert int(item["expiresAt"]["N"]) == 1_770_000_000 + 7 * 86_400


def test_those_that_wait_for_it_are_skipped(api: Api, aws: Cloud) -> None:
    upstream = api.submit()
    task = api.submit(dependencies=[upstream["id"]])
    last = api.submit(dependencies=[task["id"]])
    cancel(api, upstream)
    aws.invoke("worker", aws.deliver())
    assert [api.get(each["id"])["state"] for each in (task, last)] == ["SKIPPED", "SKIPPED"]


def test_a_blocked_task_is_cancelled(api: Api, aws: Cloud) -> None:
    task = api.submit(dependencies=[api.submit()["id"]], runAt="2026-03-02T00:00:00Z")
    assert cancel(api, task).status == 204
    assert api.get(task["id"])["state"] == "CANCELLED"
    assert "scheduler.DeleteSchedule" not in aws.called()


def test_who_died_before_the_consequences_is_followed_by_the_next(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = api.submit()
    task = api.submit(dependencies=[upstream["id"]])
    with monkeypatch.context() as broken:

        def dies(*_: Any) -> None:
            raise RuntimeError("died")

        broken.setattr(Consequences, "run", dies)
        assert cancel(api, upstream).status == 500
    assert api.get(task["id"])["state"] == "BLOCKED"
    assert cancel(api, upstream).status == 204
    assert api.get(task["id"])["state"] == "SKIPPED"


def test_a_task_that_succeeded_cannot_be_cancelled(api: Api, aws: Cloud) -> None:
    task = api.submit()
    aws.invoke("worker", aws.deliver())
    answer = cancel(api, task)
    assert (answer.status, answer.body["type"]) == (409, "urn:taskyard:problem:not-allowed-in-state")
    assert answer.body["state"] == "SUCCESS"


def test_a_task_between_attempts_is_cancelled(api: Api, aws: Cloud) -> None:
    task = api.submit(type="FAIL_SOMETIMES", payload={"probability": 1})
    aws.invoke("worker", aws.deliver())
    assert api.get(task["id"])["state"] == "RETRY"
    assert cancel(api, task).status == 204
    seen = api.get(task["id"])
    assert (seen["state"], len(seen["attempts"])) == ("CANCELLED", 1)
