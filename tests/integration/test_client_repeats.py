"""Whatever the SDK sends again is the same request: the effect and the answer are as if no answer had been lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from taskyard import AsyncTaskyard, Conflict, NotFound, Taskyard
from taskyard.api.dead_letters import Redrive
from taskyard.api.schedules.models import Schedule
from taskyard.api.tasks.batch import Outcome
from taskyard.api.tasks.bulk_cancel import Cancelled
from taskyard.api.tasks.models import Task
from taskyard.api.workflows.models import Workflow

from tests.integration.cloud import Cloud
from tests.integration.door import Door
from tests.integration.quick import Quick
from tests.integration.test_api_workflows import finished, run_of
from tests.integration.workflows import begin, step

PAST, LATER = (datetime(2026, 2, day, tzinfo=UTC) for day in (1, 5))
MESSAGE = {"message": "hello"}
SUBMITTED = {"type": "DELAYED_MESSAGE", "payload": MESSAGE}


@dataclass
class Lossy(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """To the api function. `losses`: answers that get lost, each after `meanwhile` has happened."""

    door: Door
    losses: int = 0
    meanwhile: Callable[[], Any] = lambda: None
    sent: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.perform(request, request.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.to_thread(self.perform, request, await request.aread())

    def perform(self, request: httpx.Request, body: bytes) -> httpx.Response:
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers.raw}
        answer = self.door(request.method, request.url.raw_path.decode(), body, headers)
        self.sent.append(f"{request.method} {answer.status}")
        if self.losses:
            self.losses -= 1
            self.meanwhile()
            raise httpx.ReadError("connection reset", request=request)
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)


@dataclass
class Bed:
    """One system, and both clients of it."""

    aws: Any
    transport: Lossy

    @property
    def yard(self) -> Taskyard:
        return Taskyard("http://127.0.0.1:1", "none", transport=self.transport, sleep=lambda seconds: None)

    def act(self, action: Callable[[Any], Any], losses: int, client: str) -> Any:
        """What it returns; `losses` of the answers on the way are lost."""
        self.transport.sent.clear()
        self.transport.losses = losses
        if client == "sync":
            return action(self.yard)

        async def awaited() -> Any:
            async def no_sleep(seconds: float) -> None:
                pass

            async with AsyncTaskyard("http://127.0.0.1:1", "none", transport=self.transport, sleep=no_sleep) as yard:
                return await action(yard)

        return asyncio.run(awaited())

    def dead(self, count: int = 1) -> list[str]:
        ids = [self.yard.submit("FAIL_SOMETIMES", {"probability": 1}, max_retries=0).id for _ in range(count)]
        self.aws.work_off()
        return ids

    def waiting(self, count: int = 1, **options: Any) -> list[str]:
        return [self.yard.submit("DELAYED_MESSAGE", MESSAGE, run_at=LATER, **options).id for _ in range(count)]

    def schedule(self, **options: Any) -> str:
        return self.yard.schedules.create(SUBMITTED, rate="1 day", **options).id

    def workflow(self, type: str) -> str:
        payload = MESSAGE if type == "DELAYED_MESSAGE" else {"probability": 1}
        return self.yard.workflows.submit({"a": {"type": type, "payload": payload, "maxRetries": 0}}).id

    def failed_workflow(self) -> str:
        made = self.workflow("FAIL_SOMETIMES")
        finished(self.aws, made)
        return made

    def effects(self) -> Counter[Any]:
        """Everything that there is, by what matters of it."""
        yard = self.yard
        tasks = [yard.get(task.id) for task in yard.list()]
        found: list[Any] = [(outline(task), task.priority, len(task.raw["redriven"])) for task in tasks]
        found += [outline(run) for run in yard.workflows.list()]
        found += [outline(schedule) for schedule in yard.schedules.list()]
        return Counter(map(str, found))


def outline(value: Any) -> Any:
    """Without ids and times."""
    match value:
        case Task():
            return ("task", value.type, value.state, value.max_attempts, value.payload, value.idempotency_key is None)
        case Workflow():
            return ("workflow", value.state, value.round, value.name)
        case Schedule():
            return ("schedule", value.cron, value.rate, value.paused, value.name, value.overlap)
        case Outcome():
            return ("outcome", value.ok, value.created, value.task and value.task.state)
        case Redrive():
            return (value.matched, value.redriven, value.skipped, value.dry_run)
        case Cancelled():
            return (value.matched, len(value.cancelled), len(value.refused), value.dry_run)
        case list():
            return [outline(each) for each in value]
    return value


@pytest.fixture
def bed(aws: Cloud, clock: Any) -> Bed:
    return Bed(aws, Lossy(Door(aws, clock)))


@pytest.fixture
def runs(quick: Quick, clock: Any) -> Bed:
    return Bed(quick, Lossy(Door(quick, clock)))


Prepare = Callable[[Bed], Any]
Act = Callable[[Any, Any], Any]
TASKS: dict[str, tuple[Prepare, Act]] = {
    "submit": (lambda bed: None, lambda yard, _: yard.submit("DELAYED_MESSAGE", MESSAGE)),
    "submit_body": (
        lambda bed: None,
        lambda yard, _: yard.submit_body(json.dumps(SUBMITTED).encode()),
    ),
    "submit_batch": (
        lambda bed: None,
        lambda yard, _: yard.submit_batch([SUBMITTED, {"type": "NONE"}]),
    ),
    "update": (lambda bed: bed.waiting(), lambda yard, ids: yard.update(ids[0], priority=9, payload={"message": "b"})),
    "reschedule": (lambda bed: bed.waiting(), lambda yard, ids: yard.reschedule(ids[0], LATER + timedelta(days=1))),
    "reschedule to now": (lambda bed: bed.waiting(), lambda yard, ids: yard.reschedule(ids[0], PAST)),
    "cancel": (lambda bed: bed.waiting(), lambda yard, ids: yard.cancel(ids[0])),
    "cancel_many by ids": (lambda bed: bed.waiting(3), lambda yard, ids: yard.cancel_many([*ids, "0" * 26])),
    "cancel_many by filter": (
        lambda bed: bed.waiting(3, tags={"of": "x"}),
        lambda yard, _: yard.cancel_many(tags={"of": "x"}, reason="no more"),
    ),
    "retry": (lambda bed: bed.dead(), lambda yard, ids: yard.retry(ids[0])),
    "retry with attempts": (lambda bed: bed.dead(), lambda yard, ids: yard.retry(ids[0], 7)),
    "redrive": (lambda bed: bed.dead(3), lambda yard, _: yard.redrive(attempts=2, rate=1)),
    "redrive dry": (lambda bed: bed.dead(), lambda yard, _: yard.redrive(dry_run=True, type="NONE")),
    "schedules.create": (
        lambda bed: None,
        lambda yard, _: yard.schedules.create(SUBMITTED, rate="1 day"),
    ),
    "schedules.update": (
        lambda bed: bed.schedule(),
        lambda yard, id: yard.schedules.update(id, name="other", overlap="skip", cron="0 9 * * *"),
    ),
    "schedules.pause": (lambda bed: bed.schedule(), lambda yard, id: yard.schedules.pause(id)),
    "schedules.resume": (
        lambda bed: bed.schedule(paused=True, catch_up="last"),
        lambda yard, id: yard.schedules.resume(id),
    ),
    "schedules.run": (lambda bed: bed.schedule(), lambda yard, id: yard.schedules.run(id)),
    "schedules.delete": (lambda bed: bed.schedule(), lambda yard, id: yard.schedules.delete(id)),
}
RUNS: dict[str, tuple[Prepare, Act]] = {
    "workflows.submit": (
        lambda bed: None,
        lambda yard, _: yard.workflows.submit({"a": SUBMITTED}),
    ),
    "workflows.submit_body": (
        lambda bed: None,
        lambda yard, _: yard.workflows.submit_body(json.dumps({"nodes": {"a": SUBMITTED}}).encode()),
    ),
    "workflows.cancel": (lambda bed: bed.workflow("DELAYED_MESSAGE"), lambda yard, id: yard.workflows.cancel(id)),
    "workflows.retry": (lambda bed: bed.failed_workflow(), lambda yard, id: yard.workflows.retry(id)),
}


@pytest.mark.parametrize("name", TASKS)
def test_call_whose_answers_are_lost_has_the_same_effect_and_result(bed: Bed, name: str) -> None:
    expected = acted(bed, *TASKS[name], losses=0, client="sync")
    assert acted(bed, *TASKS[name], losses=2, client="sync") == expected
    assert acted(bed, *TASKS[name], losses=1, client="async") == expected


@pytest.mark.parametrize("name", RUNS)
def test_workflow_call_whose_answers_are_lost_has_the_same_effect_and_result(runs: Bed, name: str) -> None:
    expected = acted(runs, *RUNS[name], losses=0, client="sync")
    assert acted(runs, *RUNS[name], losses=2, client="sync") == expected
    assert acted(runs, *RUNS[name], losses=1, client="async") == expected


def acted(bed: Bed, prepare: Prepare, act: Act, *, losses: int, client: str) -> Any:
    """What it returned, and what it added to all that there is, and took away."""
    prepared, before = prepare(bed), bed.effects()
    returned = bed.act(lambda yard: act(yard, prepared), losses, client)
    assert len(bed.transport.sent) > losses
    after = bed.effects()
    return outline(returned), after - before, before - after


def test_repeated_retry_of_a_task_that_failed_again_returns_it(bed: Bed) -> None:
    (task,) = bed.dead()
    bed.transport.meanwhile = bed.aws.work_off
    again = bed.act(lambda yard: yard.retry(task, attempts=1), 1, "sync")
    assert (again.state, again.attempt, len(again.raw["redriven"])) == ("DEAD", 2, 1)
    assert bed.transport.sent == ["POST 200", "POST 200"]


def test_repeated_update_of_a_task_that_has_run_since_returns_it(bed: Bed) -> None:
    (task,) = bed.waiting()
    bed.transport.meanwhile = bed.aws.work_off
    assert bed.act(lambda yard: yard.reschedule(task, PAST), 1, "sync").state == "SUCCESS"


def test_repeated_retry_of_a_workflow_whose_next_round_has_ended_returns_it(runs: Bed) -> None:
    made = runs.failed_workflow()
    runs.transport.meanwhile = lambda: finished(runs.aws, made)
    found = runs.act(lambda yard: yard.workflows.retry(made), 1, "sync")
    assert (found.state, found.round) == ("FAILED", 2)


def test_repeated_cancel_of_a_workflow_that_has_succeeded_is_a_success(runs: Bed) -> None:
    """All its nodes had run when it was cancelled, and its end was not written yet."""
    made = runs.workflow("DELAYED_MESSAGE")
    run = run_of(made)
    begin(runs.aws, run)
    runs.aws.work_off()
    runs.transport.meanwhile = lambda: step(runs.aws, "finish", run, outcome="done")
    runs.act(lambda yard: yard.workflows.cancel(made), 1, "sync")
    assert runs.yard.workflows.get(made).state == "SUCCESS"


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda yard: yard.cancel("0" * 26), NotFound),
        (lambda yard: yard.workflows.cancel("0" * 26), NotFound),
        (lambda yard: yard.retry("0" * 26), NotFound),
        (lambda yard: yard.get("0" * 26), NotFound),
    ],
)
def test_refusal_whose_answer_is_lost_is_refused_again(
    bed: Bed, act: Callable[[Any], Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        bed.act(act, 1, "sync")


def test_new_retry_of_a_task_that_is_no_longer_a_dead_letter_is_refused(bed: Bed) -> None:
    (task,) = bed.dead()
    bed.yard.retry(task)
    with pytest.raises(Conflict):
        bed.yard.retry(task)


def test_delete_of_a_schedule_that_never_existed_is_not_found(bed: Bed) -> None:
    with pytest.raises(NotFound):
        bed.yard.schedules.delete("0" * 26)
