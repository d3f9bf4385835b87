"""How attempts end: retried, permanent, dead; what is written, sent, counted."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from taskyard.tasks.errors import LeaseLost, Permanent, Retry
from taskyard.tasks.retry import MAX_DELAY_SECONDS

from functions.core.states import State
from tests.integration.scene import ID, Scene, metrics


def raises(scene: Scene, error: BaseException) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        ctx.log("about to fail")
        raise error

    scene.handle("NOTE", handler)


def test_a_failure_is_retried_message_before_record(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    raises(scene, ValueError("no luck"))
    scene.put()
    assert scene.deliver(scene.message()) == []
    assert scene.aws.called() == ["dynamodb.UpdateItem", "sqs.SendMessage", "dynamodb.UpdateItem"]
    [sent] = scene.aws.wakeups("normal")
    assert (sent["generation"], sent["delay"], sent["timeout"]) == (2, 10, 30)
    task = scene.task()
    assert (task.state, task.generation, task.attempt) == (State.RETRY, 2, 1)
    assert task.available_at == scene.clock.now + 10_000
    assert task.reason == "attempt 1 of 3 failed"
    [failed] = task.history
    assert (failed.number, failed.outcome, failed.error_type, failed.error) == (1, "RETRY", "ValueError", "no luck")
    assert failed.log == ("about to fail",)
    assert failed.where is not None
    assert "test_worker_attempts.py:" in failed.where
    counted = metrics(capsys.readouterr().out)
    assert (counted["TaskStarted"], counted["TaskRetried"]) == (1, 1)


class Unprintable(Exception):
    def __str__(self) -> str:
        return str(self.response)  # type: ignore[attr-defined]


class Hurried(Retry):
    def __init__(self) -> None:
        """Without Retry's own."""


class Gone(Permanent):
    def __init__(self) -> None: ...


GROUP = ExceptionGroup("two", [Permanent("no such customer"), ExceptionGroup("in", [Gone()])])


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (Unprintable(), State.RETRY, "could not be described"),
        (Hurried(), State.RETRY, "Hurried"),
        (Gone(), State.FAILED, "Gone"),
        (GROUP, State.FAILED, "Permanent: no such customer"),
        (ExceptionGroup("one", [Retry("busy", after=77)]), State.RETRY, "Retry: busy"),
        (LeaseLost("made up"), State.RETRY, "made up"),
        (StopIteration(), State.RETRY, "StopIteration"),
    ],
    ids=["unprintable", "retry", "permanent", "group", "retry in a group", "lease lost", "stop iteration"],
)
def test_odd_errors_end_the_attempt_at_once(scene: Scene, kind: str, error: Exception, state: State, text: str) -> None:
    def plain(ctx: Any, payload: Any) -> None:
        raise error

    async def coroutine(ctx: Any, payload: Any) -> None:
        raise error

    scene.handle("NOTE", plain if kind == "plain" else coroutine)
    scene.put()
    assert scene.deliver(scene.message()) == []
    task = scene.task()
    assert (task.state, task.attempt) == (state, 1)
    assert text in str(task.history[0].error)
    if state is State.RETRY:
        assert task.available_at == scene.clock.now + (77_000 if "busy" in text else 10_000)


def test_a_failed_attempt_is_logged_with_its_traceback(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        try:
            {}["customer"]
        except KeyError as error:
            raise RuntimeError("sync failed") from error

    scene.handle("NOTE", handler)
    scene.put()
    with caplog.at_level(logging.WARNING, "taskyard.worker"):
        assert scene.deliver(scene.message()) == []
    [line] = [found for found in caplog.records if found.levelno == logging.WARNING]
    assert (line.taskId, line.taskType, line.attempt) == (scene.task().id, "NOTE", 1)  # type: ignore[attr-defined]
    text = line.getMessage()
    assert text.startswith(f"attempt 1 of task {scene.task().id} (NOTE) failed: RuntimeError: sync failed\n")
    assert "direct cause" in text
    assert "KeyError: 'customer'" in str(scene.task().history[0].traceback)


def test_a_retry_that_later_succeeds(scene: Scene) -> None:
    def handler(ctx: Any, payload: Any) -> str:
        scene.ran.append((ctx.attempt, ctx.max_attempts))
        if ctx.attempt < 3:
            raise ValueError(ctx.attempt)
        return "at last"

    scene.handle("NOTE", handler)
    scene.put()
    scene.deliver(scene.message())
    for _ in range(2):
        scene.clock.advance(10)
        assert scene.deliver_sent() == []
    task = scene.task()
    assert (task.state, task.attempt, task.generation) == (State.SUCCESS, 3, 3)
    assert scene.ran == [(1, 3), (2, 3), (3, 3)]
    assert scene.outcomes() == ["RETRY", "RETRY"]
    assert task.reason is None


def test_tries_exhausted_is_dead(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    raises(scene, ValueError("never"))
    scene.put(attempt=2, state=State.RETRY, generation=3)
    assert scene.deliver(scene.message(generation=3)) == []
    assert scene.aws.wakeups() == []
    task = scene.task()
    assert (task.state, task.reason) == (State.DEAD, "all 3 attempts failed")
    assert task.expires_at == scene.clock.now // 1000 + 7 * 86_400
    assert metrics(capsys.readouterr().out)["TaskDeadLettered"] == 1


def test_permanent_is_failed_at_once(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    raises(scene, Permanent("no such customer"))
    scene.put()
    assert scene.deliver(scene.message()) == []
    assert scene.aws.wakeups() == []
    task = scene.task()
    assert (task.state, task.attempt) == (State.FAILED, 1)
    assert task.history[0].error == "no such customer"
    counted = metrics(capsys.readouterr().out)
    assert (counted["TaskFailed"], counted["TaskDeadLettered"]) == (1, 1)


@pytest.mark.parametrize(
    ("after", "delay"),
    [(0, 0), (2.5, 3), (900, 900), (None, 10), (-5, 0)],
    ids=["now", "2.5s", "900s", "policy", "past"],
)
def test_retry_after_is_honoured(scene: Scene, after: float | None, delay: int) -> None:
    raises(scene, Retry("busy", after=after))
    scene.put()
    scene.deliver(scene.message())
    [sent] = scene.aws.wakeups()
    assert sent["delay"] == delay


def test_a_retry_beyond_the_queue_goes_by_timer_and_is_capped(scene: Scene) -> None:
    raises(scene, Retry("come back next year", after=float("inf")))
    scene.put()
    assert scene.deliver(scene.message()) == []
    assert "scheduler.CreateSchedule" in scene.aws.called()
    assert scene.task().available_at == scene.clock.now + MAX_DELAY_SECONDS * 1000


def test_retry_after_that_is_no_number_is_an_error_of_the_handler(scene: Scene) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        raise Retry(after=float("nan"))

    scene.handle("NOTE", handler)
    scene.put()
    assert scene.deliver(scene.message()) == []
    assert scene.task().history[0].error_type == "ValueError"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("kind", ["plain", "coroutine"])
def test_errors_that_end_programs_end_the_attempt_only(scene: Scene, error: BaseException, kind: str) -> None:
    def plain(ctx: Any, payload: Any) -> None:
        raise error

    async def coroutine(ctx: Any, payload: Any) -> None:
        raise error

    async def fine(ctx: Any, payload: Any) -> str:
        return "fine"

    scene.handle("NOTE", plain if kind == "plain" else coroutine)
    scene.handle("FINE", fine)
    scene.put()
    assert scene.deliver(scene.message()) == []
    assert scene.task().history[0].error_type == type(error).__name__
    scene.put("next", type="FINE")
    assert scene.deliver(scene.message("next")) == []
    assert scene.task("next").state is State.SUCCESS, "the event loop lives"


def test_an_unknown_type_is_said_on_the_task_and_tried_again(scene: Scene) -> None:
    """A newer api accepted it; a newer worker may be the next to receive it."""
    scene.put(type="OF_TOMORROW")
    assert scene.deliver(scene.message()) == []
    task = scene.task()
    assert task.state is State.RETRY
    assert task.history[0].error_type == "UnknownTaskType"
    assert "NOTE" in str(task.history[0].error)


def test_a_document_that_cannot_be_read_is_said_on_the_task(scene: Scene) -> None:
    from functions.core.task import Document

    scene.put(payload=Document(ref="s3:123456789012/gone.json"))
    assert scene.deliver(scene.message()) == []
    assert scene.task().state is State.RETRY
    assert scene.ran == []


def test_an_error_of_any_length_and_letters_is_kept(scene: Scene) -> None:
    raises(scene, ValueError("half a surrogate \ud800, " + "🦉" * 10_000))
    scene.put()
    assert scene.deliver(scene.message()) == []
    error = scene.task().history[0].error
    assert error is not None
    assert error.startswith("half a surrogate ?, 🦉")
    assert len(error) == 500


def test_history_is_bounded(scene: Scene) -> None:
    from taskyard.tasks.retry import RetryPolicy

    from functions.core.task import Attempt

    raises(scene, ValueError("again"))
    history = tuple(
        Attempt(number=at, started_at=1, ended_at=2, outcome="RETRY", log=("x" * 500,) * 8) for at in range(1, 30)
    )
    scene.put(attempt=29, state=State.RETRY, history=history, retry=RetryPolicy(max_attempts=99))
    assert scene.deliver(scene.message()) == []
    kept = scene.task().history
    assert [attempt.number for attempt in kept] == list(range(11, 31))
    assert [bool(attempt.log) for attempt in kept] == [False] * 17 + [True] * 3


def test_the_store_away_at_the_settle_leaves_the_message(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt is found lost at its lease's end, and run again: at least once."""
    from functions.core.errors import StoreUnavailable
    from functions.store.tasks import TaskStore

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("DynamoDB", "ThrottlingException")

    scene.put()
    with monkeypatch.context() as patched:
        patched.setattr(TaskStore, "settle", unavailable)
        assert scene.deliver(scene.message(number=1)) == ["message-1"]
    assert scene.task(ID).state is State.RUNNING
    scene.clock.advance(62)
    assert scene.deliver(scene.message(number=1, receives=2)) == []
    assert scene.ran == [{}, {}]
    assert scene.task(ID).attempt == 2


def test_the_queue_away_at_a_retry_writes_no_record_without_a_message(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from functions.aws.queues import Queues
    from functions.core.errors import StoreUnavailable

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("SQS", "RequestThrottled")

    raises(scene, ValueError("no luck"))
    scene.put()
    monkeypatch.setattr(Queues, "send", unavailable)
    assert scene.deliver(scene.message(number=1)) == ["message-1"]
    assert scene.task().state is State.RUNNING, "not RETRY: nothing would wake it"
