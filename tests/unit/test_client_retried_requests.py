"""Both clients around the same calls: retries, one task per submit, paging, waiting."""

import asyncio
from datetime import datetime

import httpx
import pytest
from taskyard import AsyncTaskyard, Backoff, Conflict, NotFound, Throttled, Unavailable, Unreachable, WaitTimeout

from tests.unit.client_fake import URL, FakeApi, Sleeper, connected, problem, task_document


def test_submit_whose_answer_is_lost_is_one_task() -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.lost = 2
    with connected(api, sleeper) as yard:
        task = yard.submit("DELAYED_MESSAGE", {"message": "hello"})
    assert task.id == "t1"
    assert len(api.tasks) == 1
    assert len(api.requests) == 3
    assert len({request.headers["idempotency-key"] for request in api.requests}) == 1
    assert sleeper.pauses == [0.1, 0.2]


def test_retry_after_is_waited_for() -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.answers = [httpx.Response(429, headers={"retry-after": "2"}), httpx.Response(503)]
    with connected(api, sleeper) as yard:
        yard.submit("DELAYED_MESSAGE")
    assert sleeper.pauses == [2.1, 0.2]


def throttled(seconds: str) -> httpx.Response:
    """As a quota answers."""
    body = {"type": "urn:taskyard:problem:quota", "title": "Above a quota", "status": 429}
    return httpx.Response(429, json=body, headers={"retry-after": seconds})


def test_batch_waits_for_retry_after_and_sends_the_same_keys() -> None:
    api, sleeper = FakeApi(), Sleeper()
    results = [{"status": 201, "task": task_document("t1")}, {"status": 201, "task": task_document("t2")}]
    api.answers = [throttled("7"), throttled("3"), httpx.Response(200, json={"results": results})]
    with connected(api, sleeper) as yard:
        outcomes = yard.submit_batch([{"type": "DELAYED_MESSAGE"}] * 2)
    assert [outcome.ok for outcome in outcomes] == [True, True]
    assert sleeper.pauses == [7.1, 3.2]
    assert len({request.content for request in api.requests}) == 1


def test_async_client_waits_for_retry_after() -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.answers = [throttled("7")]

    async def run() -> str:
        transport = httpx.MockTransport(api)
        async with AsyncTaskyard(
            URL, "none", transport=transport, sleep=sleeper.awaited, clock=sleeper.clock, draw=lambda: 0.5
        ) as yard:
            return (await yard.submit("DELAYED_MESSAGE")).id

    assert asyncio.run(run()) == "t1"
    assert sleeper.pauses == [7.1]


@pytest.mark.parametrize(("seconds", "pauses"), [("60", [60.1]), ("61", []), ("3600", [])])
def test_retry_after_beyond_the_longest_is_the_error_at_once(seconds: str, pauses: list[float]) -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.answers = [throttled(seconds)] * 2
    with connected(api, sleeper, Backoff(tries=2)) as yard, pytest.raises(Throttled):
        yard.submit("DELAYED_MESSAGE")
    assert sleeper.pauses == pauses


def test_read_of_a_wait_is_not_throttled_beyond_its_deadline() -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.tasks["t1"] = task_document(state="RUNNING")
    api.answers = [httpx.Response(200, json=api.tasks["t1"]), *[throttled("30") for _ in range(9)]]
    with connected(api, sleeper) as yard, pytest.raises(Throttled):
        yard.wait("t1", timeout=10)
    assert sum(sleeper.pauses) <= 10


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (503, Unavailable)])
def test_last_attempt_raises_the_error_of_its_answer(status: int, kind: type[Exception]) -> None:
    api = FakeApi()
    api.answers = [problem(status, "Later") for _ in range(3)]
    with connected(api, backoff=Backoff(tries=3)) as yard, pytest.raises(kind):
        yard.get("t1")
    assert len(api.requests) == 3


def test_unreachable_api_is_retried_and_the_error_has_its_url() -> None:
    api = FakeApi()
    api.answers = [httpx.ConnectError("refused") for _ in range(5)]
    with connected(api) as yard, pytest.raises(Unreachable, match=URL):
        yard.stats()
    assert len(api.requests) == 5


def test_refused_request_is_not_sent_again() -> None:
    api = FakeApi()
    api.tasks["t1"] = task_document(state="RUNNING")
    with connected(api) as yard:
        with pytest.raises(Conflict, match="RUNNING"):
            yard.cancel("t1")
        with pytest.raises(NotFound):
            yard.get("t2")
    assert len(api.requests) == 2


def test_reschedule_by_delay_counts_from_the_clock_of_the_client() -> None:
    api = FakeApi()
    with connected(api) as yard:
        task = yard.submit("DELAYED_MESSAGE")
        moved = yard.reschedule(task.id, datetime.fromisoformat("2026-03-01T00:00:00+01:00"))
    assert moved.raw["runAt"] == "2026-02-28T23:00:00.000Z"


@pytest.mark.parametrize(("limit", "count"), [(None, 7), (0, 0), (3, 3), (5, 5), (100, 7)])
def test_list_reads_all_pages(limit: int | None, count: int) -> None:
    api = FakeApi()
    api.page_size = 3
    with connected(api) as yard:
        for _ in range(7):
            yard.submit("DELAYED_MESSAGE")
        assert [task.id for task in yard.list(limit=limit)] == [f"t{n}" for n in range(1, count + 1)]


def test_wait_ends_with_the_task_or_with_its_timeout() -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.tasks["t1"] = task_document()
    api.answers = [httpx.Response(200, json=task_document()) for _ in range(3)]
    api.tasks["t1"]["state"] = "DEAD"
    with connected(api, sleeper) as yard:
        assert yard.wait("t1").state == "DEAD"
        assert len(sleeper.pauses) == 3
        api.tasks["t1"]["state"] = "RUNNING"
        with pytest.raises(WaitTimeout) as caught:
            yard.wait("t1", timeout=7)
    assert caught.value.task.state == "RUNNING"
    # Its last look has a tenth of the time.
    assert sum(sleeper.pauses[3:]) == pytest.approx(6.3)


def test_async_client_retries_lists_and_waits_the_same_way() -> None:
    api, sleeper = FakeApi(), Sleeper()
    api.lost = 1

    async def run() -> list[str]:
        async with AsyncTaskyard(
            URL, "none", transport=httpx.MockTransport(api), sleep=sleeper.awaited, draw=lambda: 0.5
        ) as yard:
            first = await yard.submit("DELAYED_MESSAGE")
            await asyncio.gather(*(yard.submit("DELAYED_MESSAGE") for _ in range(3)))
            await yard.cancel(first.id)
            assert (await yard.wait(first.id)).state == "CANCELLED"
            assert (await yard.health()).status == "ok"
            assert (await yard.stats()).lanes["high"].in_flight == 2
            with pytest.raises(NotFound):
                await yard.get("none")
            return [task.id async for task in yard.list(limit=10)]

    assert sorted(asyncio.run(run())) == ["t1", "t2", "t3", "t4"]
    assert sleeper.pauses == [0.1]
