"""Runs one handler under its time-out and turns however it ends into an outcome."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from taskyard.tasks.context import Context
from taskyard.tasks.serialization import NotSerializable, json_text

from functions.core.failure import failure_of, stack_of
from functions.core.outcomes import Failed, Outcome, Succeeded, TimedOut
from functions.core.task_types import RegisteredType

if TYPE_CHECKING:
    # Imported by the first coroutine that runs: a cold start does not pay for it.
    from functions.worker.event_loop import EventLoop


@dataclass(frozen=True)
class Execution:
    """`stuck`: the handler's code still runs, or may. Nothing short of ending the process stops it, so its retry must
    not be due before that (`functions/worker/batch.py`)."""

    outcome: Outcome
    stuck: bool = False


@dataclass
class Executor:
    """Plain functions get a thread each, coroutines share one event loop. All code of the task type's (its payload's
    validators, the handler, the serializers of its result, the text of its error) runs there, under the time-out."""

    _loop: EventLoop | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, kind: RegisteredType, ctx: Context, payload: Any, *, seconds: float, limit: float) -> Execution:
        """`seconds`: what the attempt has, at least 0. `limit`: what this invocation has left for it; a coroutine whose
        loop was held by others is let run for as long."""
        if kind.is_coroutine:
            return self._event_loop().run(kind, ctx, payload, seconds=seconds, limit=limit)
        return self._thread(kind, ctx, payload, seconds)

    def _thread(self, kind: RegisteredType, ctx: Context, payload: Any, seconds: float) -> Execution:
        ended: list[Outcome] = []

        def run() -> None:
            ended.append(outcome_of(lambda: kind.handler(ctx, kind.parse(payload)), kind.handler_file))

        # The context goes along: log records and tests know by it which invocation a call belongs to.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="handler")
        thread.start()
        thread.join(max(seconds, 0.0))
        if not ended:
            return Execution(timed_out(seconds, thread.ident, kind.handler_file), stuck=True)
        return Execution(ended[0])

    def _event_loop(self) -> EventLoop:
        from functions.worker.event_loop import EventLoop

        with self._lock:
            if self._loop is None:
                self._loop = EventLoop()
            return self._loop


def outcome_of(call: Callable[[], Any], handler_file: str) -> Outcome:
    """Never raises."""
    try:
        return succeeded(call())
    except BaseException as error:
        return failure_of(error, handler_file)


def succeeded(result: Any) -> Outcome:
    """Without its document when there is no result; failed for good when the result cannot be written: to repeat the
    attempt would do the work again, for the same result."""
    try:
        return Succeeded(None if result is None else json_text(result))
    except NotSerializable as error:
        return Failed("NotSerializable", f"the handler's result cannot be stored: {error}", permanent=True)


def timed_out(seconds: float, thread: int | None, handler_file: str) -> Failed:
    """`thread`: the ident of the one in which the handler runs; where it is at the moment is said."""
    frame = sys._current_frames().get(thread) if thread is not None else None
    where, chain, traceback = stack_of(frame, handler_file) if frame is not None else (None, None, None)
    message = f"ran longer than its {max(seconds, 0.0):.0f} s"
    return Failed(TimedOut.__name__, message, where, chain=chain, traceback=traceback)
