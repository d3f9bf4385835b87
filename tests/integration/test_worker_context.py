"""What handlers do through `ctx`: effects once, progress under the fence, log lines within bounds."""

from __future__ import annotations

import datetime
import decimal
import logging
import os
from typing import Any

import pytest
from taskyard.tasks.errors import InDoubt, LeaseLost, Permanent, ResultNotStored, Retry
from taskyard.tasks.log import LOG_BYTES, LOG_LINES

from functions.core.errors import StoreUnavailable
from functions.core.states import State
from functions.runtime import wiring
from functions.runtime.environment import WorkerEnvironment
from functions.store.documents import ITEM_BYTES, LIMIT_BYTES
from tests.integration.scene import Scene


class Effect:
    """Counts how often it happens; `ends`: what it does each time, the last for ever."""

    def __init__(self, *ends: Any) -> None:
        self.ends = list(ends) or ["done"]
        self.times = 0

    def __call__(self) -> Any:
        self.times += 1
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, BaseException):
            raise end
        return end


class Unprintable:
    def __repr__(self) -> str:
        raise SystemExit


def attempts(scene: Scene, handler: Any, *, count: int = 1) -> list[State]:
    """Runs so many attempts of a task; the state after each."""
    scene.handle("NOTE", handler)
    scene.put()
    states = []
    for at in range(count):
        assert scene.deliver(scene.message(generation=at + 1)) == []
        states.append(scene.task().state)
        scene.clock.advance(10)
    return states


def test_an_effect_that_is_done_is_not_repeated_and_its_result_known(scene: Scene) -> None:
    effect = Effect({"id": 7})

    def handler(ctx: Any, payload: Any) -> Any:
        result = ctx.once("send", effect)
        if ctx.attempt == 1:
            raise RuntimeError("after the effect")
        return result

    assert attempts(scene, handler, count=2) == [State.RETRY, State.SUCCESS]
    assert effect.times == 1
    assert scene.task().result.inline == '{"id":7}'  # type: ignore[union-attr]


def test_an_effect_that_raised_is_in_doubt_and_the_task_fails_saying_so(scene: Scene) -> None:
    effect = Effect(StoreUnavailable("SES", "ReadTimeoutError"))
    assert attempts(scene, lambda ctx, payload: ctx.once("send", effect), count=2) == [State.RETRY, State.FAILED]
    assert effect.times == 1
    last = scene.task().history[-1]
    assert last.error_type == "InDoubt"
    assert "begun by attempt 1" in str(last.error)


def test_a_handler_may_decide_what_doubt_means(scene: Scene) -> None:
    effect = Effect(RuntimeError())

    def handler(ctx: Any, payload: Any) -> str:
        try:
            return str(ctx.once("send", effect))
        except InDoubt as doubt:
            return f"looked at the other side: {doubt.name}, {doubt.attempt}"

    assert attempts(scene, handler, count=2) == [State.RETRY, State.SUCCESS]
    assert effect.times == 1


def test_an_effect_of_a_worker_that_died_is_in_doubt(scene: Scene) -> None:
    """It reserved, and never said more."""
    task = scene.running(lease=-1)
    environment = WorkerEnvironment(os.environ)
    effects = wiring.effects(environment, environment.document_bucket)
    effects.reserve(task, "send", token="of the dead", now=scene.clock.now)
    effect = Effect()
    scene.handle("NOTE", lambda ctx, payload: ctx.once("send", effect))
    assert scene.deliver(scene.message()) == []
    assert scene.task().state is State.FAILED
    assert effect.times == 0


@pytest.mark.parametrize("error", [Retry("throttled"), Permanent("refused")])
def test_an_effect_that_says_that_nothing_happened_is_given_back(scene: Scene, error: Exception) -> None:
    effect = Effect(error, "done")

    def handler(ctx: Any, payload: Any) -> Any:
        try:
            return ctx.once("send", effect)
        except Permanent as refused:
            raise RuntimeError from refused

    assert attempts(scene, handler, count=2) == [State.RETRY, State.SUCCESS]
    assert effect.times == 2


def test_the_same_effect_twice_in_one_attempt_happens_once(scene: Scene) -> None:
    effect = Effect("first")

    def handler(ctx: Any, payload: Any) -> list[Any]:
        return [ctx.once("send", effect), ctx.once("send", effect)]

    assert attempts(scene, handler) == [State.SUCCESS]
    assert effect.times == 1
    assert scene.task().result.inline == '["first","first"]'  # type: ignore[union-attr]


def test_an_effect_that_raised_is_in_doubt_for_its_own_attempt_too(scene: Scene) -> None:
    effect = Effect(RuntimeError("who knows"))

    def handler(ctx: Any, payload: Any) -> None:
        for _ in range(2):
            try:
                ctx.once("send", effect)
            except RuntimeError:
                ctx.log("again, then")

    assert attempts(scene, handler) == [State.FAILED]
    assert effect.times == 1


def test_effects_have_names(scene: Scene) -> None:
    one, other = Effect(1), Effect(2)

    def handler(ctx: Any, payload: Any) -> list[Any]:
        return [ctx.once("one", one), ctx.once("other", other)]

    assert attempts(scene, handler) == [State.SUCCESS]
    assert scene.task().result.inline == "[1,2]"  # type: ignore[union-attr]


def test_coroutines_have_effects_too(scene: Scene) -> None:
    effect = Effect(Retry("busy"), "done")

    async def handler(ctx: Any, payload: Any) -> Any:
        async def send() -> Any:
            return effect()

        return [await ctx.once_async("send", send), await ctx.once_async("send", send)]

    assert attempts(scene, handler, count=2) == [State.RETRY, State.SUCCESS]
    assert effect.times == 2


def test_a_zombie_does_not_do_what_its_successor_did(scene: Scene) -> None:
    effect = Effect("sent")

    def handler(ctx: Any, payload: Any) -> Any:
        if ctx.attempt == 1:
            scene.clock.advance(63)
            scene.deliver(scene.message(receives=2))
        return ctx.once("send", effect)

    scene.handle("NOTE", handler)
    scene.put(timeout_seconds=3600)
    assert scene.deliver(scene.message()) == []
    assert effect.times == 1
    assert scene.task().attempt == 2


@pytest.mark.parametrize(
    ("result", "again"),
    [
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "2026-01-01T00:00:00Z"),
        (decimal.Decimal("1.10"), "1.10"),
        ((1, 2), [1, 2]),
        ({1: "one"}, {"1": "one"}),
        (None, None),
        ("x" * 300_000, "x" * 300_000),
    ],
    ids=["datetime", "decimal", "tuple", "keys", "nothing", "large"],
)
def test_effect_result_on_a_repetition_is_the_same_as_on_the_first_run(scene: Scene, result: Any, again: Any) -> None:
    effect = Effect(result)

    def handler(ctx: Any, payload: Any) -> None:
        scene.ran.append(ctx.once("send", effect))
        if ctx.attempt == 1:
            raise RuntimeError("after the effect")

    assert attempts(scene, handler, count=2) == [State.RETRY, State.SUCCESS]
    assert scene.ran == [again, again]
    assert effect.times == 1


def test_effect_result_above_an_item_is_stored_in_s3(scene: Scene) -> None:
    assert attempts(scene, lambda ctx, payload: len(ctx.once("send", lambda: "x" * ITEM_BYTES))) == [State.SUCCESS]
    assert "s3.PutObject" in scene.aws.called()
    assert scene.task().result.inline == str(ITEM_BYTES)  # type: ignore[union-attr]


@pytest.mark.parametrize("result", [object(), "x" * LIMIT_BYTES, "\ud800"], ids=["object", "too large", "surrogate"])
def test_effect_whose_result_cannot_be_stored_is_done_and_the_task_says_so(scene: Scene, result: Any) -> None:
    effect = Effect(result)
    assert attempts(scene, lambda ctx, payload: ctx.once("send", effect)) == [State.FAILED]
    last = scene.task().history[-1]
    assert last.error_type == "ResultNotStored"
    assert "effect 'send' is done, but its result cannot be stored" in str(last.error)


def test_effect_whose_result_cannot_be_stored_is_not_repeated(scene: Scene) -> None:
    effect = Effect(object())

    def handler(ctx: Any, payload: Any) -> None:
        try:
            ctx.once("send", effect)
        except ResultNotStored as error:
            scene.ran.append(str(error))
        if ctx.attempt == 1:
            raise RuntimeError("after the effect")

    assert attempts(scene, handler, count=2) == [State.RETRY, State.SUCCESS]
    assert effect.times == 1
    assert scene.ran[0] == scene.ran[1]


def test_effect_is_done_also_when_s3_does_not_take_its_result(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.store.documents import Documents

    def unavailable(*_: object, **__: object) -> None:
        raise StoreUnavailable("S3", "SlowDown")

    monkeypatch.setattr(Documents, "store_effect_result", unavailable)
    assert attempts(scene, lambda ctx, payload: ctx.once("send", lambda: 1)) == [State.FAILED]
    assert "is done" in str(scene.task().history[-1].error)
    assert "SlowDown" in str(scene.task().history[-1].error)


def test_progress_is_shown_at_once_and_gone_at_the_end(scene: Scene) -> None:
    shown: list[Any] = []

    def handler(ctx: Any, payload: Any) -> None:
        ctx.progress(0.5, "n" * 300)
        shown.append(scene.task().progress)

    assert attempts(scene, handler) == [State.SUCCESS]
    assert shown == [{"fraction": 0.5, "note": "n" * 200, "at": scene.clock.now - 10_000}]
    assert scene.task().progress is None


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan"), "half", None, object(), 10**400])
def test_progress_is_a_fraction(scene: Scene, fraction: Any) -> None:
    assert attempts(scene, lambda ctx, payload: ctx.progress(fraction)) == [State.RETRY]
    assert scene.task().history[0].error_type == "ValueError"


def test_progress_of_a_zombie_is_refused_and_ends_it(scene: Scene) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        scene.running(lease=60, attempt=2)
        try:
            ctx.progress(0.9)
        except LeaseLost:
            scene.ran.append("told")
            raise
        scene.ran.append("not told")

    scene.handle("NOTE", handler)
    scene.put()
    assert scene.deliver(scene.message(number=1)) == ["message-1"]
    assert scene.ran == ["told"]
    task = scene.task()
    assert (task.state, task.attempt, task.progress, task.history) == (State.RUNNING, 2, None, ())


def test_log_lines_are_kept_and_written(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        ctx.log("charged", amount=7)

    with caplog.at_level(logging.INFO, "taskyard.handler"):
        assert attempts(scene, handler) == [State.SUCCESS]
    assert scene.task().log == ("charged {'amount': 7}",)
    [written] = [record for record in caplog.records if record.name == "taskyard.handler"]
    assert (written.taskId, written.attempt, written.fields) == (scene.task().id, 1, {"amount": 7})  # type: ignore[attr-defined]


@pytest.mark.parametrize(("letter", "length"), [("x", 1), ("x", 100_000), ("ü", 490), ("🦉", 490), ("\ud800", 20)])
def test_log_lines_are_bounded(scene: Scene, letter: str, length: int) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        for at in range(100):
            ctx.log(f"{at} {letter * length}")

    assert attempts(scene, handler) == [State.SUCCESS]
    log = scene.task().log
    assert len(log) <= LOG_LINES
    assert sum(len(line.encode()) for line in log) <= LOG_BYTES
    numbers = [int(line.split()[0]) for line in log]
    assert numbers[0] == 0
    assert numbers[-1] == 99
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("note", ["half \ud800", b"bytes", ValueError("odd"), Unprintable(), None, "x" * 100_000])
def test_progress_takes_any_note(scene: Scene, note: Any) -> None:
    assert attempts(scene, lambda ctx, payload: ctx.progress(decimal.Decimal("0.5"), note)) == [State.SUCCESS]


@pytest.mark.parametrize("raises", [True, False], ids=["raised", "swallowed"])
def test_lease_lost_by_the_fence_settles_nothing(scene: Scene, raises: bool) -> None:
    def handler(ctx: Any, payload: Any) -> None:
        scene.running(lease=60, attempt=2)
        try:
            ctx.progress(0.9)
        except LeaseLost:
            if raises:
                raise RuntimeError("something else") from None

    scene.handle("NOTE", handler)
    scene.put()
    assert scene.deliver(scene.message(number=1)) == ["message-1"]
    assert scene.aws.wakeups() == []
    assert (scene.task().state, scene.task().attempt) == (State.RUNNING, 2)


def test_lease_lost_that_a_handler_made_up_is_an_error_like_any(scene: Scene) -> None:
    class Odd(LeaseLost):
        def __init__(self) -> None: ...

    def handler(ctx: Any, payload: Any) -> None:
        raise Odd

    assert attempts(scene, handler) == [State.RETRY]
    assert scene.task().history[-1].error_type == "Odd"


def test_upstream_results_are_inputs(scene: Scene) -> None:
    from functions.core.task import Document

    scene.put("up", state=State.SUCCESS, result=Document('{"rows":3}'))
    scene.handle("NOTE", lambda ctx, payload: scene.ran.append(dict(ctx.inputs)))
    scene.put(dependencies=("up",))
    assert scene.deliver(scene.message()) == []
    assert scene.ran == [{"up": {"rows": 3}}]
