"""Schedules on the virtual clock, through the whole system: Scheduler's part fires, the producer submits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from taskyard import InvalidRequest, NotFound, Producer, Taskyard

from local.aws.calls import AwsCall, error_response
from local.http_server import Response
from local.system import LocalSystem
from tests.e2e.callers import bearer, token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

TASK = {"type": "DELAYED_MESSAGE", "payload": {"message": "again"}}


@contextmanager
def schedule(system: LocalSystem, **fields: Any) -> Iterator[httpx.URL]:
    """The URL of a schedule that is deleted in the end."""
    answer = httpx.post(f"{system.url}/schedules", json={"task": TASK, **fields}, headers=bearer(system), timeout=30)
    assert answer.status_code == 201, answer.text
    url = httpx.URL(system.url).join(answer.headers["location"])
    try:
        yield url
    finally:
        assert httpx.delete(url, headers=bearer(system), timeout=30).status_code == 204


def look(system: LocalSystem, url: httpx.URL) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(url, headers=bearer(system), timeout=30).json()
    return found


def tasks_of(system: LocalSystem, url: httpx.URL) -> dict[str, dict[str, Any]]:
    """By the time that they stand for."""
    prefix = f"schedule:{url.path.rpartition('/')[2]}:"
    found: dict[str, dict[str, Any]] = {}
    query: dict[str, str] = {"limit": "100"}
    while True:
        page = httpx.get(f"{system.url}/tasks", params=query, headers=bearer(system), timeout=30).json()
        ours = [task for task in page["tasks"] if (task["idempotencyKey"] or "").startswith(prefix)]
        found |= {task["idempotencyKey"].removeprefix(prefix): task for task in ours}
        if page["cursor"] is None:
            return found
        query["cursor"] = page["cursor"]


def until(system: LocalSystem, time: datetime) -> float:
    return time.timestamp() - system.clock.now()


def test_every_minute_for_an_hour_is_sixty_tasks(system: LocalSystem) -> None:
    with schedule(system, rate="1 minute") as url:
        first = datetime.fromisoformat(look(system, url)["nextTimes"][0])
        system.clock.advance(until(system, first) + 3599)
        assert system.settle()
        tasks = tasks_of(system, url)
        wanted = [first + timedelta(minutes=at) for at in range(60)]
        assert sorted(tasks) == [f"{at:%Y-%m-%dT%H:%M:00.000Z}" for at in wanted]
        assert {task["state"] for task in tasks.values()} == {"SUCCESS"}
        late = [datetime.fromisoformat(task["createdAt"]) - datetime.fromisoformat(at) for at, task in tasks.items()]
        assert all(timedelta(0) <= each < timedelta(seconds=65) for each in late)
        assert look(system, url)["fired"] == 60


@pytest.mark.parametrize("days", ["15W * ?", "LW * ?", "1W,20,L * ?", "? * FRIL,MON#1,WED"])
def test_the_days_of_aws_fire_at_the_times_that_were_told(system: LocalSystem, days: str) -> None:
    with schedule(system, cron=f"cron(0 9 {days} *)") as url:
        for number, time in enumerate(look(system, url)["nextTimes"][:2], 1):
            system.clock.advance(until(system, datetime.fromisoformat(time)) + 120)
            assert system.settle()
            assert (look(system, url)["fired"], look(system, url)["lastScheduledAt"]) == (number, time)


def test_paused_nothing_fires_and_resumed_it_does(system: LocalSystem) -> None:
    with schedule(system, cron="* * * * *") as url:
        assert httpx.patch(url, json={"paused": True}, headers=bearer(system), timeout=30).json()["nextTimes"] == []
        system.clock.advance(3600)
        assert look(system, url)["fired"] == 0
        httpx.patch(url, json={"paused": False}, headers=bearer(system), timeout=30)
        system.clock.advance(180)
        assert look(system, url)["fired"] in (2, 3)
    system.clock.advance(180)
    assert len(tasks_of(system, url)) in (2, 3)


def test_it_ends_when_it_should(system: LocalSystem) -> None:
    now = datetime.fromtimestamp(system.clock.now(), UTC).replace(second=0, microsecond=0)
    begin, end = now + timedelta(minutes=5), now + timedelta(minutes=9)
    with schedule(system, rate="1 minute", startAt=begin.isoformat(), endAt=end.isoformat()) as url:
        system.clock.advance(3600)
        assert len(tasks_of(system, url)) == 4
        assert look(system, url)["nextTimes"] == []


def test_after_an_outage_the_last_one_is_caught_up(system: LocalSystem) -> None:
    with schedule(system, rate="10 minutes", catchUp="last") as url, schedule(system, rate="10 minutes") as none:
        times = [datetime.fromisoformat(at) for at in look(system, url)["nextTimes"]]
        # All at once: nothing could run on the way.
        system.clock.advance(until(system, times[4]) - 60, step=False)
        assert system.settle()
        assert list(tasks_of(system, url)) == [f"{times[3]:%Y-%m-%dT%H:%M:00.000Z}"]
        assert tasks_of(system, none) == {}


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_on_the_day_when_clocks_change_it_fires_at_the_right_times(system: LocalSystem, zone: str) -> None:
    at = ZoneInfo(zone)
    day = datetime.fromtimestamp(system.clock.now(), at).replace(hour=12, minute=0, second=0, microsecond=0)
    while day.utcoffset() == (day + timedelta(days=1)).utcoffset():
        day += timedelta(days=1)
    changes = day + timedelta(days=1)
    springs = (changes.utcoffset() or timedelta()) > (day.utcoffset() or timedelta())
    with (
        schedule(system, cron="0 9 * * *", timezone=zone, startAt=day.isoformat()) as mornings,
        schedule(system, cron="30 2 * * *", timezone=zone, startAt=day.isoformat()) as nights,
    ):
        system.clock.advance(until(system, changes + timedelta(days=1)))
        assert system.settle()
        clocks = [
            {f"{datetime.fromisoformat(time).astimezone(at):%d %H:%M}" for time in tasks_of(system, url)}
            for url in (mornings, nights)
        ]
    following = changes + timedelta(days=1)
    assert clocks[0] == {f"{changes:%d} 09:00", f"{following:%d} 09:00"}
    # In New York both changes are between 1 and 3 o'clock as well: 02:30 is skipped in spring, there once in autumn.
    assert clocks[1] == ({f"{following:%d} 02:30"} if springs else {f"{changes:%d} 02:30", f"{following:%d} 02:30"})


def test_a_firing_that_the_table_refuses_for_minutes_is_not_lost(system: LocalSystem) -> None:
    refused = []

    def tap(caller: str, call: AwsCall, answer: Callable[[], Response]) -> Response:
        if caller == "firing" and call.operation == "BatchGetItem":
            refused.append(call)
            return error_response("dynamodb", "TransactionConflictException", "for now")
        return answer()

    with schedule(system, rate="1 day", catchUp="last") as url:
        first = datetime.fromisoformat(look(system, url)["nextTimes"][0])
        system.intercept(tap)
        # Lambda tries it after one and two minutes again, then puts it into the queue of what failed.
        system.clock.advance(until(system, first) + 400)
        system.intercept(lambda caller, call, answer: answer())
        assert len(refused) >= 4
        assert look(system, url)["fired"] == 0
        system.clock.advance(600)
        assert system.settle()
        assert list(tasks_of(system, url)) == [f"{first:%Y-%m-%dT%H:%M:00.000Z}"]
    system.usage.invocations.clear()


def test_a_script_submits_by_invoking_the_producer(system: LocalSystem) -> None:
    producer = Producer(system.stack.outputs()["ProducerFunction"], client=system.aws("lambda"))
    tasks = [producer.submit("DELAYED_MESSAGE", {"message": "no HTTP"}, key="direct") for _ in range(2)]
    assert tasks[0].id == tasks[1].id
    assert system.settle()
    with Taskyard(system.url, token(system)) as yard:
        assert yard.get(tasks[0].id).succeeded
        # The key is one key, over HTTP as well.
        over_http = yard.submit("DELAYED_MESSAGE", {"message": "no HTTP"}, idempotency_key="direct")
        assert over_http.id == tasks[0].id
    with pytest.raises(InvalidRequest, match=r"payload\.message"):
        producer.submit("DELAYED_MESSAGE", {})


def test_the_sdk_speaks_of_schedules(system: LocalSystem) -> None:
    with Taskyard(system.url, token(system)) as yard:
        made = yard.schedules.create(TASK, cron="0 9 * * MON-FRI", timezone="Europe/Berlin", name="sdk")
        assert len(made.next_times) == 5
        assert yard.schedules.pause(made.id).paused
        assert yard.schedules.resume(made.id).next_times == made.next_times
        assert yard.schedules.update(made.id, rate="2 days", name=None).expression == "rate(2 days)"
        assert yard.wait(yard.schedules.run(made.id).id).succeeded
        assert made.id in [each.id for each in yard.schedules.list()]
        yard.schedules.delete(made.id)
        with pytest.raises(NotFound):
            yard.schedules.get(made.id)


def test_no_invocation_failed_and_no_call_was_denied(system: LocalSystem) -> None:
    # Tests of notifications may have shared the system: their receivers refuse deliveries on purpose.
    failures = [each.error for each in system.invocations if each.error and each.function != "notifier"]
    assert failures == []
    assert not any("not authorized" in line for label in ("api", "producer", "firing") for line in system.logs(label))
