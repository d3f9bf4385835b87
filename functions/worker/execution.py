"""Runs one handler under its time-out and turns however it ends into an outcome."""

from __future__ import annotations

import contextvars
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from functions.core.context import Context, LeaseLost
from functions.core.outcomes import Failed, InDoubt, Outcome, Permanent, Retry, Succeeded, TimedOut
from functions.core.registry import TaskType

if TYPE_CHECKING:
    # Imported by the first coroutine that runs: a cold start does not pay for it.
    import asyncio

CANCELLED_WITHIN_SECONDS = 1.0
"""A coroutine that is cancelled gets this long for its `finally`."""


@dataclass(frozen=True)
class Ended:
    """`stuck`: the time is up but the handler's thread still runs. Nothing short of ending the process stops it,
    so its retry must not be due before that (`functions/worker/batch.py`)."""

    outcome: Outcome
    stuck: bool = False


@dataclass
class Executor:
    """Plain functions get a thread each, coroutines share one event loop. `seconds`: what is left for the attempt."""

    _loop: asyncio.AbstractEventLoop | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, kind: TaskType, ctx: Context, payload: Any, *, seconds: float) -> Ended:
        """Raises LeaseLost when the handler found out that it is a zombie."""
        if kind.is_coroutine:
            return self._coroutine(lambda: kind.handler(ctx, payload), seconds)
        return self._thread(lambda: kind.handler(ctx, payload), seconds)

    def _thread(self, call: Callable[[], Any], seconds: float) -> Ended:
        ended: list[Callable[[], Any]] = []

        def run() -> None:
            try:
                value = call()
                ended.append(lambda: value)
            except BaseException as error:
                ended.append(raising(error))

        # The context goes along: log records and tests know by it which invocation a call belongs to.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="handler")
        thread.start()
        thread.join(max(seconds, 0.0))
        if not ended:
            return Ended(timed_out(seconds), stuck=True)
        return Ended(outcome_of(ended[0]))

    def _coroutine(self, call: Callable[[], Any], seconds: float) -> Ended:
        import asyncio

        async def run() -> Callable[[], Any]:
            limit = asyncio.timeout(max(seconds, 0.0))
            try:
                async with limit:
                    value = await ending(call)
            except BaseException as error:
                # Its own TimeoutError is an error like any other; only ours means that the time was up.
                return raising(TimeIsUp() if limit.expired() else error)
            return value

        future = asyncio.run_coroutine_threadsafe(run(), self._running_loop())
        try:
            # The time-out cancels the coroutine; one that swallows the cancellation, or blocks the loop, is as stuck
            # as a thread.
            ended = future.result(max(seconds, 0.0) + CANCELLED_WITHIN_SECONDS)
        except TimeoutError:
            return Ended(timed_out(seconds), stuck=True)
        try:
            return Ended(outcome_of(ended))
        except TimeIsUp:
            return Ended(timed_out(seconds))

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True, name="coroutines").start()
        return self._loop


class TimeIsUp(BaseException):
    """Not an Exception: no handler's error can be taken for it."""


async def ending(call: Callable[[], Any]) -> Callable[[], Any]:
    """How the coroutine ends, as a call that returns or raises the same. SystemExit and KeyboardInterrupt must not
    leave it as they are: asyncio lets those two end the loop, and with it every other coroutine of the batch."""
    try:
        value = await call()
    except (SystemExit, KeyboardInterrupt) as error:
        return raising(error)
    return lambda: value


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


def timed_out(seconds: float) -> Failed:
    return Failed(TimedOut.__name__, f"ran longer than its {seconds:.0f} s")


def outcome_of(call: Callable[[], Any]) -> Outcome:
    """Raises LeaseLost; everything else that `call` raises is an outcome."""
    try:
        return Succeeded(call())
    except (LeaseLost, TimeIsUp):
        raise
    except Retry as error:
        return failed(error, after=error.after)
    except Permanent as error:
        return failed(error, permanent=True)
    except InDoubt as error:
        # Unhandled: repeating could do the effect twice, and waiting tells nothing new. A person must look.
        return failed(error, permanent=True)
    except BaseException as error:
        return failed(error)


def failed(error: BaseException, *, permanent: bool = False, after: float | None = None) -> Failed:
    frames = traceback.extract_tb(error.__traceback__)
    # The last frame of the handler's own, not of what it called, is where a reader wants to look first.
    own = [frame for frame in frames if "/functions/tasks/" in frame.filename] or frames[-1:]
    where = f"{own[-1].filename.rpartition('/functions/')[2]}:{own[-1].lineno}" if own else None
    return Failed(type(error).__name__, str(error) or type(error).__name__, where, permanent, after)
