"""The event loop that the coroutines of one process share, and a watch over who holds it.

A coroutine that blocks the loop keeps its neighbours from running, and from being cancelled at their time-out. The time
for which others held the loop is not theirs: they get it in addition. Who cannot be given it any more, because whoever
holds the loop does not let go or the invocation is about to end, is handed back and not charged (docs/adr/0017).
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
from functions.worker.execution import Execution, succeeded, timed_out

logger = logging.getLogger("taskyard.worker")

CANCELLED_WITHIN_SECONDS = 1.0
"""A coroutine that is cancelled gets this long for its `finally`."""
PROBE_SECONDS = 0.25
"""Between two questions to the loop."""
BLOCKED_SECONDS = 0.5
"""A loop that does not answer for this long is held. What holds it for less is taken for work."""
LOOK_SECONDS = 1.0
"""How often somebody who waits for his coroutine looks whether the loop will ever be free."""
STACK_FRAMES = 12


@dataclass(eq=False, kw_only=True)
class Coroutine:
    """One attempt on the loop. Times are the loop's own, in seconds."""

    ctx: Context
    handler_file: str
    seconds: float
    limit: float
    started: float
    held_seconds: float = 0.0
    """For how long others have held the loop since it was started."""
    scope: asyncio.Timeout | None = None
    end: Failed | None = None
    """As what it is to end, once it was asked to."""
    stuck: bool = False

    def __str__(self) -> str:
        return f"attempt {self.ctx.attempt} of task {self.ctx.task_id} ({self.ctx.type})"


@dataclass(frozen=True)
class Block:
    """The loop does not answer. `holder`: whose code it runs, as far as that is known. `since`: until then the time has
    been added to what the others were held off."""

    holder: Coroutine | None
    since: float

    def ongoing(self, coroutine: Coroutine, now: float) -> float:
        return 0.0 if coroutine is self.holder else max(0.0, now - max(self.since, coroutine.started))


OWNER: contextvars.ContextVar[Coroutine | None] = contextvars.ContextVar("owner", default=None)


class OwnedTask(asyncio.Task[Any]):
    """Knows whose attempt it belongs to: a handler may start tasks of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.owner = OWNER.get()
        super().__init__(*arguments, **options)


class EventLoop:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(lambda loop, coroutine, **options: OwnedTask(coroutine, loop=loop, **options))
        self._coroutines: set[Coroutine] = set()
        self._lock = threading.Lock()
        self._busy = threading.Event()
        self._block: Block | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True, name="coroutines")
        self._thread.start()
        threading.Thread(target=self._watch, daemon=True, name="coroutines-watch").start()

    def run(self, kind: RegisteredType, ctx: Context, payload: Any, *, seconds: float, limit: float) -> Execution:
        """Starts the handler, and waits for its end."""
        seconds = max(seconds, 0.0)
        coroutine = Coroutine(
            ctx=ctx,
            handler_file=kind.handler_file,
            seconds=seconds,
            limit=max(seconds, limit),
            started=self._loop.time(),
        )
        with self._lock:
            self._coroutines.add(coroutine)
            self._busy.set()
        try:
            # The context goes along, as with a thread; the caller's own stays as it is.
            return self._wait(coroutine, contextvars.copy_context().run(self._start, coroutine, kind, payload))
        finally:
            with self._lock:
                self._coroutines.discard(coroutine)
                if not self._coroutines:
                    self._busy.clear()

    def _start(self, coroutine: Coroutine, kind: RegisteredType, payload: Any) -> Future[Outcome]:
        OWNER.set(coroutine)
        return asyncio.run_coroutine_threadsafe(self._outcome(coroutine, kind, payload), self._loop)

    async def _outcome(self, coroutine: Coroutine, kind: RegisteredType, payload: Any) -> Outcome:
        """Never raises: SystemExit and KeyboardInterrupt would end the loop, and with it every other coroutine."""
        if coroutine.end is not None:
            return coroutine.end
        try:
            async with asyncio.timeout(None) as coroutine.scope:
                result = await kind.handler(coroutine.ctx, kind.parse(payload))
            return succeeded(result)
        except BaseException as error:
            # Its own TimeoutError is an error like any other; only ours means that it was asked to end.
            if coroutine.end is not None and coroutine.scope is not None and coroutine.scope.expired():
                return coroutine.end
            return failure_of(error, kind.handler_file)

    # -- waiting, in the thread of the wake-up

    def _wait(self, coroutine: Coroutine, future: Future[Outcome]) -> Execution:
        while True:
            now = self._loop.time()
            left, remaining = self._left(coroutine, now), coroutine.started + coroutine.limit - now
            hopeless = remaining <= 0 or self._never_free_for(coroutine)
            if left > 0 and not hopeless:
                try:
                    return Execution(future.result(min(left, remaining, LOOK_SECONDS)))
                except TimeoutError:
                    continue
            end = self._held_off(coroutine) if left > 0 else self._timed_out(coroutine)
            self._loop.call_soon_threadsafe(self._cancel, coroutine, end)
            try:
                return Execution(future.result(CANCELLED_WITHIN_SECONDS))
            except TimeoutError:
                # Not even asked to end, and not by its own doing: it is the loop that is held.
                if coroutine.end is None and self._owner() is not coroutine:
                    if not hopeless:
                        continue
                    end = self._held_off(coroutine)
            coroutine.stuck = True
            return Execution(self._timed_out(coroutine) if end.charged else end, stuck=True)

    def _left(self, coroutine: Coroutine, now: float) -> float:
        """Seconds of its time."""
        block = self._block
        held = coroutine.held_seconds + (block.ongoing(coroutine, now) if block is not None else 0.0)
        return coroutine.started + coroutine.seconds + held - now

    def _timed_out(self, coroutine: Coroutine) -> Failed:
        block = self._block
        thread = self._thread.ident if block and block.holder is coroutine else None
        return timed_out(coroutine.seconds, thread, coroutine.handler_file)

    def _owner(self) -> Coroutine | None:
        """Whose code the loop runs at the moment; None also for a callback."""
        owner: Coroutine | None = getattr(asyncio.current_task(self._loop), "owner", None)
        return owner

    def _never_free_for(self, coroutine: Coroutine) -> bool:
        """Whoever holds the loop is stuck: this process will be ended."""
        block = self._block
        return block is not None and block.holder not in (None, coroutine) and block.holder.stuck

    @staticmethod
    def _held_off(coroutine: Coroutine) -> Failed:
        # By whom, is in the log: it may be another tenant's.
        held = f"other coroutines held the event loop for {coroutine.held_seconds:.1f} s, and left it no time"
        return Failed(LoopBlocked.__name__, held, charged=False)

    # -- on the loop

    def _cancel(self, coroutine: Coroutine, end: Failed) -> None:
        now = self._loop.time()
        if coroutine.end is not None or (end.charged and self._left(coroutine, now) > 0):
            return
        coroutine.end = end
        if coroutine.scope is not None:
            # RuntimeError: it has just ended, and its outcome is on the way.
            with contextlib.suppress(RuntimeError):
                coroutine.scope.reschedule(now)

    def _serve(self) -> None:
        # A task of a handler's own may raise SystemExit, or stop the loop: the others' coroutines go on.
        while not self._loop.is_closed():
            try:
                self._loop.run_forever()
            except BaseException:
                logger.warning("a task of a handler's raised out of the event loop", exc_info=True)

    # -- the watch

    def _watch(self) -> None:
        since = self._loop.time()
        while not self._loop.is_closed():
            self._busy.wait()
            answered = threading.Event()
            self._loop.call_soon_threadsafe(answered.set)
            while not answered.wait(BLOCKED_SECONDS):
                self._look(since)
            if self._block is not None:
                self._account(self._block)
                logger.warning("the event loop answers again, after %.1f s", self._loop.time() - since)
                self._block = None
            since = self._loop.time()
            time.sleep(PROBE_SECONDS)

    def _look(self, since: float) -> None:
        """`since`: when the loop last answered."""
        before, holder = self._block, self._owner()
        now = self._loop.time()
        self._account(Block(holder, since if before is None else before.since))
        self._block = Block(holder, now)
        if before is None or before.holder is not holder:
            self._name(holder)

    def _account(self, block: Block) -> None:
        now = self._loop.time()
        for coroutine in tuple(self._coroutines):
            coroutine.held_seconds += block.ongoing(coroutine, now)

    def _name(self, holder: Coroutine | None) -> None:
        frame = sys._current_frames().get(self._thread.ident or 0)
        stack = "".join(traceback.format_stack(frame, limit=STACK_FRAMES)) if frame is not None else ""
        ctx = holder.ctx if holder is not None else None
        about = {} if ctx is None else {"taskId": ctx.task_id, "taskType": ctx.type, "attempt": ctx.attempt}
        who = holder or "a callback that a handler has left"
        logger.error("%s holds the event loop; other coroutines cannot run. It is at\n%s", who, stack, extra=about)
