"""GET /notifications: those that nobody could be told, newest first, page by page; and what a task's own list says."""

from __future__ import annotations

import pytest

from functions.core.notifications.events import Delivery, Notification
from functions.runtime import wiring
from functions.runtime.environment import ApiEnvironment
from functions.store.notifications import NotificationStore
from tests.integration.api import Api
from tests.integration.cloud import TENANT, Cloud
from tests.integration.conftest import Clock


@pytest.fixture
def store(aws: Cloud) -> NotificationStore:
    environment = ApiEnvironment(aws.env)
    return NotificationStore(table=wiring.table(environment), shards=environment.listing_shards)


def note(at: int, *, tenant: str = TENANT, target: int = 0, of: str = "task") -> Notification:
    return Notification(
        tenant=tenant,
        owner="task" if of == "task" else "workflow",
        id=f"01kgdz6m00{at:016d}",
        event="1-1770000000000",
        target=target,
        to={"email": "night@example.com"},
        body={},
    )


def page(api: Api, **query: str) -> tuple[list[tuple[str, int]], str | None]:
    answer = api("GET", "/notifications", query={"state": "UNDELIVERABLE", **query})
    assert answer.status == 200, answer.body
    return [(one["id"][-2:], one["target"]) for one in answer.body["notifications"]], answer.body["cursor"]


def test_newest_first_page_by_page(api: Api, store: NotificationStore, clock: Clock) -> None:
    for at in range(7):
        store.record_attempt_end(note(at), Delivery.UNDELIVERABLE, now=clock.now + at, error="gone")
    store.record_attempt_end(note(6, target=1), Delivery.UNDELIVERABLE, now=clock.now + 6, error="gone")
    store.record_attempt_end(note(8), Delivery.DELIVERED, now=clock.now + 8, status=200)
    store.record_attempt_end(note(9), Delivery.PENDING, now=clock.now + 9, error="not yet")
    store.record_attempt_end(note(3, tenant="210987654321"), Delivery.UNDELIVERABLE, now=clock.now, error="another's")
    seen: list[tuple[str, int]] = []
    cursor = None
    for _ in range(4):
        rows, cursor = page(api, limit="3", **({"cursor": cursor} if cursor else {}))
        seen += rows
        if cursor is None:
            break
    assert seen == [("06", 1), ("06", 0), *((f"0{at}", 0) for at in range(5, -1, -1))]


def test_a_workflows_are_there_too(api: Api, store: NotificationStore, clock: Clock) -> None:
    store.record_attempt_end(note(1, of="workflow"), Delivery.UNDELIVERABLE, now=clock.now, error="gone")
    [one] = api("GET", "/notifications", query={"state": "UNDELIVERABLE"}).body["notifications"]
    assert (one["of"], one["id"]) == ("workflow", note(1).id)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "state"),
        ({"state": "PENDING"}, "state"),
        ({"state": "UNDELIVERABLE", "limit": "0"}, "limit"),
        ({"state": "UNDELIVERABLE", "cursor": "nonsense"}, "cursor"),
        ({"state": "UNDELIVERABLE", "type": "x"}, "type"),
    ],
)
def test_what_it_does_not_take(api: Api, query: dict[str, str], field: str) -> None:
    answer = api("GET", "/notifications", query=query)
    assert (answer.status, list(answer.fields)) == (422, [field])


def test_what_is_final_is_never_overwritten(store: NotificationStore, clock: Clock) -> None:
    assert store.record_attempt_end(note(1), Delivery.DELIVERED, now=clock.now, status=200)
    assert store.record_attempt_end(note(1), Delivery.UNDELIVERABLE, now=clock.now, error="late") is None
    [found] = store.list_of_owner(TENANT, "task", note(1).id)
    assert (found.state, found.error) == (Delivery.DELIVERED, None)


def test_a_waiting_task_says_whom_it_will_tell_without_a_read(aws: Cloud, api: Api) -> None:
    task = api.submit(delaySeconds=60, notify=[{"email": "night@example.com"}])
    aws.forget_calls()
    [entry] = api.get(task["id"])["notifications"]
    assert (entry["state"], entry["to"], entry["event"]) == ("WAITING", "night@example.com", None)
    assert aws.called() == ["dynamodb.GetItem"]
