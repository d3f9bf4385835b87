"""The event loop that the coroutines of one process share, and a thread that detects which of them blocks it.

A coroutine that blocks the loop keeps the others from running, and from being cancelled at their time-out. The others
get the time for which they were blocked in addition to their own. When that is impossible, because the blocking
coroutine does not stop or the invocation is about to end, their attempts end as LoopBlocked and are not charged
(docs/adr/0017).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import threading
import time
import traceback
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from taskyard.tasks.context import Context

from functions.core.failure import failure_of
from functions.core.outcomes import Failed, LoopBlocked, Outcome
from functions.core.task_types import RegisteredType
from functions.worker.execution import Execution, outcome_of_result, timeout_failure

logger = logging.getLogger("taskyard.worker")

CANCEL_GRACE_SECONDS = 1.0
"""A cancelled coroutine gets this long for its `finally`."""
PROBE_SECONDS = 0.25
"""Between two probes of the loop."""
BLOCKED_SECONDS = 0.5
"""A loop that does not answer a probe for this long is blocked. A shorter delay counts as normal work."""
POLL_SECONDS = 1.0
"""How often the thread that waits for a coroutine checks whether the loop is blocked for good."""
STACK_FRAMES = 12


@dataclass(eq=False, kw_only=True)
class CoroutineAttempt:
    """One attempt on the loop. Times are those of the loop's clock, in seconds. `seconds`: the time of the attempt.
    `limit`: the most that it may take, with the time for which it was blocked."""

    ctx: Context
    handler_file: str
    seconds: float
    limit: float
    started: float
    blocked_seconds: float = 0.0
    """How long other attempts have blocked the loop since the start of this one."""
    scope: asyncio.Timeout | None = None
    cancel_failure: Failed | None = None
    """The outcome of the attempt, set when it is cancelled."""
    stuck: bool = False

    def __str__(self) -> str:
        return f"attempt {self.ctx.attempt} of task {self.ctx.task_id} ({self.ctx.type})"


@dataclass(frozen=True)
class LoopBlock:
    """A period in which the loop does not answer. `holder`: the attempt whose code runs, None when that is unknown.
    `since`: time before it is already part of `blocked_seconds`."""

    holder: CoroutineAttempt | None
    since: float

    def seconds_lost_by(self, attempt: CoroutineAttempt, now: float) -> float:
        return 0.0 if attempt is self.holder else max(0.0, now - max(self.since, attempt.started))


OWNER: contextvars.ContextVar[CoroutineAttempt | None] = contextvars.ContextVar("owner", default=None)


class OwnedTask(asyncio.Task[Any]):
    """Knows the attempt that it belongs to: a handler may start asyncio tasks of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.owner = OWNER.get()
        super().__init__(*arguments, **options)


class EventLoop:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(lambda loop, coroutine, **options: OwnedTask(coroutine, loop=loop, **options))
        self._attempts: set[CoroutineAttempt] = set()
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._block: LoopBlock | None = None
        self._thread = threading.Thread(target=self._run_loop, daemon=True, name="coroutines")
        self._thread.start()
        threading.Thread(target=self._watch_loop, daemon=True, name="coroutines-watch").start()

    def run(self, kind: RegisteredType, ctx: Context, payload: Any, *, seconds: float, limit: float) -> Execution:
        """Starts the handler and waits for its end. `seconds`, `limit`: as Executor.run."""
        seconds = max(seconds, 0.0)
        attempt = CoroutineAttempt(
            ctx=ctx,
            handler_file=kind.declaration.file,
            seconds=seconds,
            limit=max(seconds, limit),
            started=self._loop.time(),
        )
        with self._lock:
            self._attempts.add(attempt)
            self._busy.set()
        try:
            # In a copy of the context, as with a thread: the caller's own context does not change.
            return self._wait(attempt, contextvars.copy_context().run(self._start, attempt, kind, payload))
        finally:
            with self._lock:
                self._attempts.discard(attempt)
                if not self._attempts:
                    self._busy.clear()

    def _start(self, attempt: CoroutineAttempt, kind: RegisteredType, payload: Any) -> Future[Outcome]:
        OWNER.set(attempt)
        return asyncio.run_coroutine_threadsafe(self._outcome(attempt, kind, payload), self._loop)

    async def _outcome(self, attempt: CoroutineAttempt, kind: RegisteredType, payload: Any) -> Outcome:
        """Never raises: SystemExit and KeyboardInterrupt would end the loop, and all other coroutines with it."""
        if attempt.cancel_failure is not None:
            return attempt.cancel_failure
        try:
            async with asyncio.timeout(None) as attempt.scope:
                result = await kind.handler(attempt.ctx, kind.argument(payload))
            return outcome_of_result(result)
        except BaseException as error:
            # A TimeoutError of the handler's own is an error like any other. Only an expired scope is a cancellation.
            if attempt.cancel_failure is not None and attempt.scope is not None and attempt.scope.expired():
                return attempt.cancel_failure
            return failure_of(error, kind.declaration.file)

    # -- waiting, in the thread of the wake-up

    def _wait(self, attempt: CoroutineAttempt, future: Future[Outcome]) -> Execution:
        while True:
            now = self._loop.time()
            left, remaining = self._seconds_left(attempt, now), attempt.started + attempt.limit - now
            hopeless = remaining <= 0 or self._is_blocked_for_good(attempt)
            if left > 0 and not hopeless:
                try:
                    return Execution(future.result(min(left, remaining, POLL_SECONDS)))
                except TimeoutError:
                    continue
            failure = self._blocked_failure(attempt) if left > 0 else self._timeout_failure(attempt)
            self._loop.call_soon_threadsafe(self._cancel, attempt, failure)
            try:
                return Execution(future.result(CANCEL_GRACE_SECONDS))
            except TimeoutError:
                # The cancellation has not run, and the attempt is not the reason: another one blocks the loop.
                if attempt.cancel_failure is None and self._running_attempt() is not attempt:
                    if not hopeless:
                        continue
                    failure = self._blocked_failure(attempt)
            attempt.stuck = True
            return Execution(self._timeout_failure(attempt) if failure.charged else failure, stuck=True)

    def _seconds_left(self, attempt: CoroutineAttempt, now: float) -> float:
        block = self._block
        blocked = attempt.blocked_seconds + (block.seconds_lost_by(attempt, now) if block is not None else 0.0)
        return attempt.started + attempt.seconds + blocked - now

    def _timeout_failure(self, attempt: CoroutineAttempt) -> Failed:
        block = self._block
        thread_id = self._thread.ident if block and block.holder is attempt else None
        return timeout_failure(attempt.seconds, thread_id, attempt.handler_file)

    def _running_attempt(self) -> CoroutineAttempt | None:
        """Whose code the loop runs at the moment. None also for a callback."""
        attempt: CoroutineAttempt | None = getattr(asyncio.current_task(self._loop), "owner", None)
        return attempt

    def _is_blocked_for_good(self, attempt: CoroutineAttempt) -> bool:
        """The attempt that blocks the loop is stuck: the process is about to end."""
        block = self._block
        return block is not None and block.holder not in (None, attempt) and block.holder.stuck

    @staticmethod
    def _blocked_failure(attempt: CoroutineAttempt) -> Failed:
        # The message does not name the attempt that blocked: it may belong to another tenant. The log names it.
        message = f"other coroutines held the event loop for {attempt.blocked_seconds:.1f} s, and left it no time"
        return Failed(LoopBlocked.__name__, message, charged=False)

    # -- in the thread of the loop

    def _cancel(self, attempt: CoroutineAttempt, failure: Failed) -> None:
        now = self._loop.time()
        if attempt.cancel_failure is not None or (failure.charged and self._seconds_left(attempt, now) > 0):
            return
        attempt.cancel_failure = failure
        if attempt.scope is not None:
            # RuntimeError: the attempt has just ended, and its outcome is on the way.
            with contextlib.suppress(RuntimeError):
                attempt.scope.reschedule(now)

    def _run_loop(self) -> None:
        # An asyncio task that a handler started may raise SystemExit, or stop the loop: the other coroutines go on.
        while not self._loop.is_closed():
            try:
                self._loop.run_forever()
            except BaseException:
                logger.warning("a task of a handler's raised out of the event loop", exc_info=True)

    # -- in the thread that watches the loop

    def _watch_loop(self) -> None:
        since = self._loop.time()
        while not self._loop.is_closed():
            self._busy.wait()
            answered = threading.Event()
            self._loop.call_soon_threadsafe(answered.set)
            while not answered.wait(BLOCKED_SECONDS):
                self._record_block(since)
            if self._block is not None:
                self._add_blocked_seconds(self._block)
                logger.warning("the event loop answers again, after %.1f s", self._loop.time() - since)
                self._block = None
            since = self._loop.time()
            time.sleep(PROBE_SECONDS)

    def _record_block(self, since: float) -> None:
        """`since`: when the loop last answered."""
        before, holder = self._block, self._running_attempt()
        now = self._loop.time()
        self._add_blocked_seconds(LoopBlock(holder, since if before is None else before.since))
        self._block = LoopBlock(holder, now)
        if before is None or before.holder is not holder:
            self._log_block(holder)

    def _add_blocked_seconds(self, block: LoopBlock) -> None:
        now = self._loop.time()
        for attempt in tuple(self._attempts):
            attempt.blocked_seconds += block.seconds_lost_by(attempt, now)

    def _log_block(self, holder: CoroutineAttempt | None) -> None:
        frame = sys._current_frames().get(self._thread.ident or 0)
        stack = "".join(traceback.format_stack(frame, limit=STACK_FRAMES)) if frame is not None else ""
        ctx = holder.ctx if holder is not None else None
        extra = {} if ctx is None else {"taskId": ctx.task_id, "taskType": ctx.type, "attempt": ctx.attempt}
        name = holder or "a callback that a handler has left"
        logger.error("%s holds the event loop; other coroutines cannot run. It is at\n%s", name, stack, extra=extra)
