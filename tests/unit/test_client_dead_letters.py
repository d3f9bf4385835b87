"""Batches, bulk cancels and dead letters in the SDK: requests, pages and results."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from taskyard import AsyncTaskyard, Conflict, InvalidRequest, Outcome, TaskSpec, Taskyard, Unavailable, Unreachable
from taskyard.api.tasks.batch import batches
from taskyard.api.tasks.bulk_cancel import cancel_many

from tests.unit.client_fake import URL, FakeApi, Sleeper, connected, problem, task_document


def batch_answer(request: httpx.Request) -> httpx.Response:
    """As the API: `BAD` is refused, a key that begins with `old` was there before."""
    results: list[dict[str, Any]] = []
    for at, task in enumerate(json.loads(request.content)["tasks"]):
        if task.get("type") == "BAD":
            document = {"type": "urn:x", "title": "Invalid", "status": 422, "detail": "no", "errors": []}
            results.append({"index": at, "status": 422, "problem": document})
        else:
            old = task["idempotencyKey"].startswith("old")
            named = task_document(f"id-{task['idempotencyKey']}")
            results.append({"index": at, "status": 200 if old else 201, "task": named})
    return httpx.Response(200, json={"created": 0, "existing": 0, "refused": 0, "results": results})


class ScriptedApi(FakeApi):
    """`pages`: the answers to POST /dead-letters/redrive, /tasks/cancel and GET /dead-letters, in order."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        super().__init__()
        self.pages = list(pages)

    def _act(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/tasks/batch":
            return batch_answer(request)
        return httpx.Response(200, json=self.pages.pop(0)) if self.pages else super()._act(request)

    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.requests]


def documents(tasks: Iterable[Outcome]) -> list[Any]:
    return [outcome.sent for outcome in tasks]


def test_batch_has_an_outcome_for_each_task_in_order() -> None:
    api = ScriptedApi()
    with connected(api) as yard:
        outcomes = yard.submit_batch(
            [
                TaskSpec(type="EMAIL", payload={"to": "a"}, delay=60, tags={"a": "b"}, idempotency_key="mine"),
                {"task_name": "EMAIL", "idempotencyKey": "old-1"},
                TaskSpec(type="BAD"),
            ]
        )
    assert [(outcome.index, outcome.ok, outcome.created) for outcome in outcomes] == [
        (0, True, True),
        (1, True, False),
        (2, False, False),
    ]
    assert outcomes[0].task is not None
    assert outcomes[0].task.id == "id-mine"
    assert isinstance(outcomes[2].error, InvalidRequest)
    assert outcomes[0].sent == {
        "type": "EMAIL",
        "payload": {"to": "a"},
        "delaySeconds": 60,
        "tags": {"a": "b"},
        "idempotencyKey": "mine",
    }
    assert outcomes[1].sent["task_name"] == "EMAIL"


def test_batch_sends_a_thousand_tasks_per_request_each_with_its_own_key() -> None:
    api = ScriptedApi()
    with connected(api) as yard:
        outcomes = yard.submit_batch({"type": "EMAIL", "payload": at} for at in range(2001))
        assert yard.submit_batch([]) == []
    assert [len(body["tasks"]) for body in api.bodies()] == [1000, 1000, 1]
    assert [outcome.index for outcome in outcomes] == list(range(2001))
    assert [outcome.sent["payload"] for outcome in outcomes] == list(range(2001))
    assert len({outcome.sent["idempotencyKey"] for outcome in outcomes}) == 2001


def test_batch_body_stays_below_its_limit() -> None:
    made = list(batches([{"type": "EMAIL", "payload": "é" * 100}] * 20 + [{"type": "L", "payload": "l" * 9000}], 1000))
    assert [len(batch.bodies) for batch in made] == [3, 3, 3, 3, 3, 3, 2, 1]
    assert [batch.first_index for batch in made] == [0, 3, 6, 9, 12, 15, 18, 20]
    assert all(len(batch.call.request.body) <= 1020 for batch in made[:-1])
    assert [task for batch in made for task in json.loads(batch.call.request.body)["tasks"]] == [
        dict(sent) for batch in made for sent in batch.bodies
    ]


def test_batch_whose_answer_is_lost_is_sent_again_with_the_same_keys() -> None:
    api = ScriptedApi()
    api.lost = 1
    with connected(api) as yard:
        [outcome] = yard.submit_batch([TaskSpec(type="EMAIL")])
    assert outcome.ok
    assert len(api.requests) == 2
    assert api.requests[0].content == api.requests[1].content


def test_batch_request_that_fails_is_the_outcome_of_its_tasks_only() -> None:
    api = ScriptedApi()
    api.answers = [problem(503, "Unavailable")] * 5
    with connected(api) as yard:
        outcomes = yard.submit_batch(TaskSpec(type="EMAIL", payload=at) for at in range(1001))
        assert isinstance(outcomes[0].error, Unavailable)
        assert isinstance(outcomes[999].error, Unavailable)
        assert outcomes[1000].ok
        api.answers = [httpx.ConnectError("no")] * 5
        again = [outcome.sent for outcome in outcomes if not outcome.ok]
        assert isinstance(yard.submit_batch(again)[0].error, Unreachable)
        assert documents(yard.submit_batch(again)) == again


def test_dead_letters_are_read_page_by_page() -> None:
    pages = [{"tasks": [task_document(f"t{at}", "DEAD") for at in range(2)], "cursor": "next/1"}]
    pages += [{"tasks": [], "cursor": "next/2"}, {"tasks": [task_document("t9", "DEAD")], "cursor": None}]
    api = ScriptedApi(*pages)
    since = datetime(2026, 2, 1, tzinfo=UTC)
    with connected(api) as yard:
        found = [task.id for task in yard.dead_letters(type="EMAIL", error_type="TimedOut", since=since)]
    assert found == ["t0", "t1", "t9"]
    asked = "?type=EMAIL&errorType=TimedOut&since=2026-02-01T00%3A00%3A00.000Z&limit=100"
    assert [str(request.url).removeprefix(f"{URL}/dead-letters") for request in api.requests] == [
        asked,
        f"{asked}&cursor=next%2F1",
        f"{asked}&cursor=next%2F2",
    ]
    with connected(ScriptedApi(*pages)) as yard:
        assert len(list(yard.dead_letters(limit=1))) == 1


def redriven(cursor: str | None, **counts: Any) -> dict[str, Any]:
    counted = {"matched": 3, "redriven": 2, "skipped": 1, "dryRun": False, "lastDue": "2026-02-01T10:00:00.000Z"}
    return counted | counts | {"cursor": cursor}


def test_redrive_follows_cursors_and_sums_the_pages() -> None:
    api = ScriptedApi(redriven("a"), redriven("b", matched=0, redriven=0, skipped=0, lastDue=None), redriven(None))
    with connected(api) as yard:
        total = yard.redrive(type="EMAIL", rate=5, attempts=2)
    assert (total.matched, total.redriven, total.skipped, total.cursor) == (6, 4, 2, None)
    assert total.last_due == datetime(2026, 2, 1, 10, tzinfo=UTC)
    common = {"type": "EMAIL", "ratePerSecond": 5, "attempts": 2, "dryRun": False}
    assert api.bodies() == [common, common | {"cursor": "a"}, common | {"cursor": "b"}]


def test_retry_sends_attempts_and_returns_the_task() -> None:
    api = ScriptedApi(task_document(state="READY"))
    with connected(api) as yard:
        assert yard.retry("t/1", attempts=3).state == "READY"
        assert (str(api.requests[0].url), api.bodies()) == (f"{URL}/tasks/t%2F1/retry", [{"attempts": 3}])
        api.answers = [problem(409, "No")]
        with pytest.raises(Conflict):
            yard.retry("t1")


def cancelled(ids: list[str], cursor: str | None = None) -> dict[str, Any]:
    refused = [{"id": f"not-{ids[0]}", "reason": "it is RUNNING"}]
    return {"matched": len(ids), "cancelled": ids, "refused": refused, "dryRun": False, "cursor": cursor}


def test_cancel_many_by_filter_follows_cursors() -> None:
    api = ScriptedApi(cancelled(["a", "b"], "next"), cancelled(["c"]))
    with connected(api) as yard:
        done = yard.cancel_many(type="EMAIL", tags={"a": "b"}, reason="wrong list")
    assert (done.matched, done.cancelled) == (3, ("a", "b", "c"))
    assert done.refused == {"not-a": "it is RUNNING", "not-c": "it is RUNNING"}
    common = {"type": "EMAIL", "tags": {"a": "b"}, "dryRun": False, "reason": "wrong list"}
    assert api.bodies() == [common, common | {"cursor": "next"}]


def test_cancel_many_by_ids_sends_a_thousand_per_request() -> None:
    asked = [json.loads(call.request.body)["ids"] for call in cancel_many([f"t{at % 1500}" for at in range(3000)])]
    assert [len(ids) for ids in asked] == [1000, 500]
    with connected(ScriptedApi()) as yard:
        assert yard.cancel_many([]).cancelled == ()


@pytest.mark.parametrize("given", [{}, {"ids": ["a"], "type": "EMAIL"}, {"dry_run": True}])
def test_cancel_many_without_ids_or_filter_is_refused(given: dict[str, Any]) -> None:
    with connected(ScriptedApi()) as yard, pytest.raises(ValueError, match="not neither"):
        yard.cancel_many(**given)


def test_async_client_has_the_same_batches_and_dead_letters() -> None:
    api = ScriptedApi(
        {"tasks": [task_document("t1", "DEAD")], "cursor": "x"},
        {"tasks": [task_document("t2", "DEAD")], "cursor": None},
        redriven("a"),
        redriven(None),
        cancelled(["a"]),
        task_document(state="READY"),
    )

    async def run() -> list[Any]:
        transport = httpx.MockTransport(api)
        async with AsyncTaskyard(URL, "none", transport=transport, sleep=Sleeper().awaited) as yard:
            return [
                [outcome.ok for outcome in await yard.submit_batch([TaskSpec(type="EMAIL"), {"type": "BAD"}])],
                [task.id async for task in yard.dead_letters()],
                (await yard.redrive(dry_run=True)).redriven,
                (await yard.cancel_many(["a"])).cancelled,
                (await yard.retry("t1")).state,
            ]

    assert asyncio.run(run()) == [[True, False], ["t1", "t2"], 4, ("a",), "READY"]


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Taskyard) == public(AsyncTaskyard)
