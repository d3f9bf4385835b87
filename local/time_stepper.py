"""Waits until a system has nothing to do, and lets time pass step by step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from local.clock import Clock, VirtualTimers


class TimeStepper:
    """`busy(windows)`: whether work is in progress; `delete_expired`: what TTL does."""

    def __init__(
        self,
        clock: Clock,
        timers: VirtualTimers,
        *,
        busy: Callable[[bool], bool],
        delete_expired: Callable[[], Awaitable[int]],
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._busy = busy
        self._delete_expired = delete_expired

    async def settle(self, timeout: float, *, windows: bool) -> bool:
        """See `LocalSystem.settle`. `timeout`: real seconds."""
        until = time.monotonic() + timeout
        quiet, pause = 0, 0.001
        while quiet < 2:  # twice in a row: work that one step starts is visible to the next
            if time.monotonic() > until:
                return False
            await asyncio.sleep(pause)
            busy = self._busy(windows)
            quiet, pause = (0, min(pause * 2, 0.01)) if busy else (quiet + 1, 0.001)
        return True

    async def advance(self, seconds: float, step: bool, patience: float = 5.0) -> None:
        """See `Clock.advance`. `patience`: real seconds that running invocations get at each stop."""
        target = self._clock.now() + seconds
        while step:
            await self.settle(patience, windows=False)
            due = self._timers.next_due()
            if due is None or due >= target:
                break
            self._clock.jump(due - self._clock.now())
            self._timers.run()
        self._clock.jump(target - self._clock.now())
        self._timers.run()
        await self._delete_expired()
        if step:
            await self.settle(patience, windows=False)
