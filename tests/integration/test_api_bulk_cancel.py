"""POST /tasks/cancel: by ids or by filter, dry first."""

from __future__ import annotations

from typing import Any

import pytest

from functions.core.errors import StoreUnavailable
from tests.integration.api import Api
from tests.integration.cloud import Cloud, event

MESSAGE = {"type": "DELAYED_MESSAGE", "payload": {"message": "hi"}}


def test_tasks_are_cancelled_by_filter_after_a_dry_run(api: Api, aws: Cloud) -> None:
    later = [api("POST", "/tasks", MESSAGE | {"delaySeconds": 600, "tags": {"of": "x"}}).body["id"] for _ in range(3)]
    other = api("POST", "/tasks", MESSAGE | {"delaySeconds": 600}).body["id"]
    dry = api("POST", "/tasks/cancel", {"tags": {"of": "x"}, "dryRun": True}).body
    assert sorted(dry["cancelled"]) == sorted(later)
    assert api("GET", f"/tasks/{later[0]}").body["state"] == "PENDING"
    done = api("POST", "/tasks/cancel", {"tags": {"of": "x"}, "reason": "wrong list"}).body
    assert sorted(done["cancelled"]) == sorted(later)
    task = api("GET", f"/tasks/{later[0]}").body
    assert (task["state"], task["reason"]) == ("CANCELLED", "cancelled by request: wrong list")
    assert api("GET", f"/tasks/{other}").body["state"] == "PENDING"


def test_tasks_are_cancelled_by_id_and_the_others_named(api: Api, aws: Cloud) -> None:
    ran = api("POST", "/tasks", MESSAGE).body["id"]
    aws.work_off()
    waits = api("POST", "/tasks", MESSAGE | {"delaySeconds": 600}).body["id"]
    unknown = "01kge3h900nxwjw3yyr4p0tse3"
    done = api("POST", "/tasks/cancel", {"ids": [ran, waits, unknown]}).body
    assert done["cancelled"] == [waits]
    assert {each["id"] for each in done["refused"]} == {ran, unknown}


def test_to_cancel_everything_must_be_said(api: Api) -> None:
    assert api("POST", "/tasks/cancel", {}).status == 422
    assert api("POST", "/tasks/cancel", {"dryRun": True}).status == 422


def test_a_blocked_task_goes_with_its_line(api: Api) -> None:
    first = api.submit(delaySeconds=600)["id"]
    second = api.submit(dependencies=[first], tags={"of": "x"})["id"]
    third = api.submit(dependencies=[second])["id"]
    done = api("POST", "/tasks/cancel", {"state": "BLOCKED", "tags": {"of": "x"}}).body
    assert done["cancelled"] == [second]
    assert [api.get(each)["state"] for each in (first, second, third)] == ["PENDING", "CANCELLED", "SKIPPED"]


def test_a_due_task_is_ready_and_not_pending(api: Api, clock) -> None:
    task = api.submit(delaySeconds=60)["id"]
    clock.advance(61)
    assert api("POST", "/tasks/cancel", {"state": "PENDING"}).body["matched"] == 0
    assert api("POST", "/tasks/cancel", {"state": "READY"}).body["cancelled"] == [task]


def test_cancelled_before_is_as_good_and_the_dry_run_says_so(api: Api) -> None:
    task = api.submit(delaySeconds=60)["id"]
    for dry in (True, False, False, True):
        done = api("POST", "/tasks/cancel", {"ids": [task, task], "dryRun": dry}).body
        assert (done["cancelled"], done["refused"]) == ([task], [])


def test_what_the_store_refuses_for_one_is_that_ones_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.api.tasks.changes import TaskChanges

    ids = [api.submit(delaySeconds=60)["id"] for _ in range(3)]
    cancel = TaskChanges.cancel

    def throttled(changes: TaskChanges, tenant: str, task_id: str, **how: Any) -> Any:
        if task_id == ids[1]:
            raise StoreUnavailable("DynamoDB", "ThrottlingException")
        return cancel(changes, tenant, task_id, **how)

    monkeypatch.setattr(TaskChanges, "cancel", throttled)
    done = api("POST", "/tasks/cancel", {"ids": ids}).body
    assert sorted(done["cancelled"]) == sorted([ids[0], ids[2]])
    assert [each["id"] for each in done["refused"]] == [ids[1]]


def test_a_filter_is_followed_by_its_cursor(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.api.tasks import bulk_cancel

    monkeypatch.setattr(bulk_cancel, "RECORDS_READ_LIMIT", 2)
    monkeypatch.setattr(bulk_cancel, "PAGE_SIZE", 1)
    ids = {api.submit(delaySeconds=60, tags={"a": "b"} if at % 2 else {"c": "d"})["id"]: at % 2 for at in range(6)}
    wanted = {"tags": {"a": "b"}}
    cancelled, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = api("POST", "/tasks/cancel", wanted | {"cursor": cursor}).body
        cancelled, cursor, pages = cancelled + page["cancelled"], page["cursor"], pages + 1
    assert sorted(cancelled) == sorted(task for task, odd in ids.items() if odd)
    assert pages == 3
    first = api("POST", "/tasks/cancel", wanted | {"dryRun": True}).body["cursor"]
    assert api("POST", "/tasks/cancel", {"tags": {"a": "c"}, "cursor": first}).status == 422


def test_another_tenants_are_not_seen(api: Api, aws: Cloud) -> None:
    task = api.submit(delaySeconds=60)["id"]
    other = Api(aws, account="210987654321")
    assert other("POST", "/tasks/cancel", {"ids": [task]}).body["refused"] == [{"id": task, "reason": "no such task"}]
    assert other("POST", "/tasks/cancel", {"type": "DELAYED_MESSAGE"}).body["matched"] == 0


def test_its_event_is_taken(api: Api) -> None:
    task = api.submit(delaySeconds=60, tags={"campaign": "spring"})["id"]
    answer = api.send(event("api", "cancel_tasks"))
    assert (answer.status, answer.body["cancelled"]) == (200, [task])
