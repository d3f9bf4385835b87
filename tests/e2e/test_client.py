"""The SDK against the real system: what it sends is accepted, what comes back is read."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from taskyard import AsyncTaskyard, Conflict, InvalidRequest, NotFound, Retry, Taskyard

from tests.e2e.callers import token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("taskyard")]


@pytest.fixture
def yard(system: Any) -> Any:
    with Taskyard(system.url, token(system)) as yard:
        yield yard


def test_task_submitted_and_awaited_is_read_with_its_result(yard: Taskyard) -> None:
    task = yard.submit(
        "DELAYED_MESSAGE", {"message": "hello"}, priority="high", max_retries=2, timeout=20,
        retry=Retry("fixed", base_seconds=1, max_seconds=2, jitter=0.1), tags={"team": "client"},
    )  # fmt: skip
    assert task.created_at is not None
    done = yard.wait(task.id, timeout=60)
    assert done.succeeded
    assert (done.id, done.type, done.lane, done.attempt, done.max_attempts) == (
        task.id, "DELAYED_MESSAGE", "high", 1, 3,
    )  # fmt: skip
    assert done.tags == {"team": "client"}
    assert (done.retry.strategy, done.retry.base_seconds, done.timeout_seconds) == ("fixed", 1, 20)
    assert done.attempts[0].outcome == "SUCCESS"
    assert done.drift_seconds is not None
    assert done.drift_seconds >= 0


def test_submit_with_the_same_key_is_one_task_and_with_another_body_is_refused(yard: Taskyard) -> None:
    key = f"client-e2e-{datetime.now(UTC).timestamp()}"
    later = datetime.now(UTC) + timedelta(hours=1)
    first, second = (
        yard.submit("DELAYED_MESSAGE", {"message": "one"}, run_at=later, idempotency_key=key) for _ in range(2)
    )
    assert first.id == second.id
    with pytest.raises(InvalidRequest):
        yard.submit("DELAYED_MESSAGE", {"message": "two"}, run_at=later, idempotency_key=key)


def test_task_that_has_not_started_is_changed_rescheduled_and_cancelled(yard: Taskyard) -> None:
    task = yard.submit("DELAYED_MESSAGE", {"message": "later"}, delay=timedelta(hours=1))
    assert task.state == "PENDING"
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    assert yard.reschedule(task.id, later).run_at == later
    changed = yard.update(task.id, payload={"message": "changed"}, priority=9)
    assert (changed.payload, changed.priority) == ({"message": "changed"}, 9)
    yard.cancel(task.id)
    yard.cancel(task.id)
    assert yard.get(task.id).state == "CANCELLED"
    with pytest.raises(Conflict):
        yard.reschedule(task.id, delay=60)


def test_refused_request_raises_the_error_of_its_kind(yard: Taskyard) -> None:
    with pytest.raises(NotFound):
        yard.get("no-such-task")
    with pytest.raises(InvalidRequest) as caught:
        yard.submit("NO_SUCH_TYPE", {})
    assert "DELAYED_MESSAGE" in str(caught.value)
    with pytest.raises(InvalidRequest) as caught:
        yard.submit("DELAYED_MESSAGE", {"message": {}})
    assert any(str(error["field"]).startswith("payload") for error in caught.value.errors)


def test_list_reads_all_pages_and_stats_and_health_answer(yard: Taskyard) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    ids = [yard.submit("DELAYED_MESSAGE", {"message": str(number)}, run_at=later).id for number in range(5)]
    pages, cursor = [], None
    for _ in range(3):
        page = yard.page(type="DELAYED_MESSAGE", state="PENDING", limit=2, cursor=cursor)
        pages += [task.id for task in page.tasks]
        cursor = page.cursor
        if cursor is None:
            break
    assert len(set(pages)) == len(pages)
    assert set(ids) <= {task.id for task in yard.list(type="DELAYED_MESSAGE")}
    assert len(list(yard.list(limit=3))) == 3
    assert yard.health().status
    assert set(yard.stats().lanes) == {"high", "normal", "low"}


def test_async_client_submits_many_tasks_at_once(system: Any) -> None:
    async def run() -> list[str]:
        async with AsyncTaskyard(system.url, token(system)) as yard:
            tasks = await asyncio.gather(*(yard.submit("DELAYED_MESSAGE", {"message": str(n)}) for n in range(8)))
            done = await asyncio.gather(*(yard.wait(task.id, timeout=60) for task in tasks))
            return [task.state for task in done]

    assert asyncio.run(run()) == ["SUCCESS"] * 8
