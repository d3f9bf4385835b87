"""Runs one handler under its time-out, and turns every way in which it ends into an outcome."""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from taskyard.tasks.context import Context
from taskyard.tasks.serialization import NotSerializable, json_text

from functions.core.failure import failure_of, stack_of
from functions.core.outcomes import Failed, Outcome, Succeeded, TimedOut
from functions.core.task_types import RegisteredType

if TYPE_CHECKING:
    # Imported when the first coroutine runs: a cold start does not pay for asyncio.
    from functions.worker.event_loop import EventLoop


class Execution(NamedTuple):
    """The end of one call of a handler. `stuck`: its code may still run. Only the end of the process stops it, so its
    retry must not be due before that (functions/worker/batch.py)."""

    outcome: Outcome
    stuck: bool = False


@dataclass
class Executor:
    """A plain function gets a thread of its own. Coroutines share one event loop. All code of a task type (validators
    of its payload, handler, serializers of its result, the text of its error) runs there, under the time-out."""

    _loop: EventLoop | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, kind: RegisteredType, ctx: Context, payload: Any, *, seconds: float, limit: float) -> Execution:
        """`seconds`: the time of the attempt. `limit`: the time that is left in this invocation; a coroutine may use it
        when others have blocked its event loop."""
        if kind.is_coroutine:
            return self._event_loop().run(kind, ctx, payload, seconds=seconds, limit=limit)
        return self._run_in_thread(kind, ctx, payload, seconds)

    def _run_in_thread(self, kind: RegisteredType, ctx: Context, payload: Any, seconds: float) -> Execution:
        outcomes: list[Outcome] = []

        def run() -> None:
            outcomes.append(outcome_of_call(lambda: kind.handler(ctx, kind.argument(payload)), kind.declaration.file))

        # With a copy of the context: log records and tests read from it which invocation a call belongs to.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="handler")
        thread.start()
        thread.join(max(seconds, 0.0))
        if not outcomes:
            return Execution(timeout_failure(seconds, thread.ident, kind.declaration.file), stuck=True)
        return Execution(outcomes[0])

    def _event_loop(self) -> EventLoop:
        from functions.worker.event_loop import EventLoop

        with self._lock:
            if self._loop is None:
                self._loop = EventLoop()
            return self._loop


def outcome_of_call(call: Callable[[], Any], handler_file: str) -> Outcome:
    """Never raises."""
    try:
        return outcome_of_result(call())
    except BaseException as error:
        return failure_of(error, handler_file)


def outcome_of_result(result: Any) -> Outcome:
    """Succeeded, with the result as JSON text, or None without a result. A permanent failure when the result is not
    serializable: a retry would repeat the work and end in the same way."""
    try:
        return Succeeded(None if result is None else json_text(result))
    except NotSerializable as error:
        return Failed("NotSerializable", f"the handler's result cannot be stored: {error}", permanent=True)


def timeout_failure(seconds: float, thread_id: int | None, handler_file: str) -> Failed:
    """`thread_id`: of the thread that runs the handler; the failure shows the line that it is at."""
    frame = sys._current_frames().get(thread_id) if thread_id is not None else None
    where, chain, traceback = stack_of(frame, handler_file) if frame is not None else (None, None, None)
    message = f"ran longer than its {max(seconds, 0.0):.0f} s"
    return Failed(TimedOut.__name__, message, where, chain=chain, traceback=traceback)
