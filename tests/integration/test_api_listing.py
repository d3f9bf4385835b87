"""GET /tasks: newest first over all shards, filtered, page by page, with bounded work."""

from __future__ import annotations

from typing import Any

import pytest

from functions.api.tasks import listing
from tests.integration.api import Api
from tests.integration.cloud import SHARDS, Cloud, event
from tests.integration.conftest import Clock


def submit(api: Api, clock: Clock, count: int, **fields: Any) -> list[str]:
    """Ids, newest first."""
    ids = []
    for _ in range(count):
        ids.append(api.submit(**fields)["id"])
        clock.advance(0.001)
    return ids[::-1]


def pages(api: Api, **query: str) -> list[list[str]]:
    """The ids of every page, by the cursors."""
    found, cursor = [], ""
    while True:
        answer = api("GET", "/tasks", query=query | ({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer.body
        found.append([task["id"] for task in answer.body["tasks"]])
        cursor = answer.body["cursor"]
        if not cursor:
            return found


@pytest.mark.parametrize(
    ("count", "limit", "sizes"), [(0, 5, [0]), (4, 5, [4]), (5, 5, [5]), (6, 5, [5, 1]), (23, 10, [10, 10, 3])]
)
def test_newest_first_page_by_page(api: Api, clock: Clock, count: int, limit: int, sizes: list[int]) -> None:
    ids = submit(api, clock, count)
    found = pages(api, limit=str(limit))
    assert [len(page) for page in found] == sizes
    assert [task for page in found for task in page] == ids


def test_tasks_of_one_instant_are_each_listed_once(api: Api) -> None:
    ids = {api.submit()["id"] for _ in range(12)}
    found = [task for page in pages(api, limit="5") for task in page]
    assert len(found) == 12
    assert set(found) == ids


def test_a_page_is_a_query_a_shard_and_one_batch(api: Api, aws: Cloud, clock: Clock) -> None:
    submit(api, clock, 30)
    aws.forget_calls()
    api("GET", "/tasks")
    assert sorted(aws.called()) == ["dynamodb.BatchGetItem", *["dynamodb.Query"] * SHARDS]


def test_a_state_is_as_it_reads_now(api: Api, clock: Clock) -> None:
    (soon,) = submit(api, clock, 1, delaySeconds=60)
    (later,) = submit(api, clock, 1, delaySeconds=600)
    (now,) = submit(api, clock, 1)
    assert pages(api, state="READY") == [[now]]
    assert pages(api, state="PENDING") == [[later, soon]]
    clock.advance(61)
    assert pages(api, state="READY") == [[now, soon]]
    assert pages(api, state="PENDING") == [[later]]
    assert pages(api, state="DEAD") == [[]]


def test_a_type_may_be_given_by_any_of_its_names(api: Api, clock: Clock) -> None:
    submit(api, clock, 2)
    (mail,) = submit(api, clock, 1, type="email", payload={"to": "a@example.com", "subject": "s"})
    assert pages(api, type="SEND_EMAIL") == pages(api, type="email") == [[mail]]
    assert pages(api, type="GONE") == [[]]


def test_filters_are_joined(api: Api, clock: Clock) -> None:
    submit(api, clock, 3)
    (mine,) = submit(api, clock, 1, delaySeconds=60)
    assert pages(api, type="DELAYED_MESSAGE", state="PENDING") == [[mine]]


def test_filtered_pages_follow_each_other(api: Api, clock: Clock) -> None:
    wanted = []
    for _ in range(7):
        submit(api, clock, 2)
        wanted += submit(api, clock, 1, delaySeconds=60)
    found = pages(api, state="PENDING", limit="3")
    assert [task for page in found for task in page] == wanted[::-1]
    assert [len(page) for page in found[:2]] == [3, 3]


def test_a_search_stops_and_goes_on_where_it_stopped(
    api: Api, aws: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "RECORDS_READ_LIMIT", 10)
    (oldest,) = submit(api, clock, 1, delaySeconds=60)
    submit(api, clock, 25)
    assert pages(api, state="PENDING") == [[], [], [oldest]]


def test_a_list_reads_no_document_of_its_own(api: Api, aws: Cloud) -> None:
    api.submit(payload={"message": "m" * 2000})
    aws.forget_calls()
    (task,) = api("GET", "/tasks").body["tasks"]
    assert "payload" not in task
    assert task["omitted"] == ["payload"]
    assert aws.called().count("dynamodb.GetItem") == 0


def test_a_record_that_has_expired_is_passed_over(api: Api, aws: Cloud, clock: Clock) -> None:
    kept = submit(api, clock, 3)
    api.aws.client("dynamodb").update_item(
        TableName=aws.env["TABLE_NAME"],
        Key={"pk": {"S": "x"}, "sk": {"S": "TASK"}},
        UpdateExpression="SET listPk = :p, listSk = :s",
        ExpressionAttributeValues={
            ":p": {"S": "LIST#123456789012#0"},
            ":s": {"S": f"{clock.now}#01kge3h900nxwjw3yyr4p0tse3"},
        },
    )
    assert pages(api) == [kept]


def test_tenants_do_not_see_each_other(api: Api, aws: Cloud) -> None:
    api.submit()
    assert pages(Api(aws, account="999999999999")) == [[]]


def test_a_cursor_of_another_filter_is_refused(api: Api, clock: Clock) -> None:
    submit(api, clock, 3)
    cursor = api("GET", "/tasks", query={"limit": "1"}).body["cursor"]
    answer = api("GET", "/tasks", query={"cursor": cursor, "state": "READY"})
    assert (answer.status, list(answer.fields)) == (422, ["cursor"])


def test_each_parameter_at_fault_is_named(api: Api) -> None:
    answer = api("GET", "/tasks", query={"state": "LOST", "limit": "0", "cursor": "x", "order": "asc"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.fields.keys() == {"state", "limit", "cursor", "order"}
    assert "PENDING, READY" in answer.fields["state"]


def test_a_real_event_is_answered(api: Api) -> None:
    assert api.send(event("api", "list_tasks")).body == {"tasks": [], "cursor": None}
