"""The virtual clock: wall time plus an offset that every process of a local system shares.

The offset is one signed 64-bit integer (nanoseconds) in a memory-mapped file. Function processes read it through
`time.time` and `time.time_ns`, which functions/fork_server_program.py patches before anything else is imported. moto
reads it through aws/moto_patches.py. `datetime.now`, `time.monotonic` and `time.sleep` stay on real time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import mmap
import os
import tempfile
import time
from collections.abc import Callable

_wall_ns = time.time_ns


class Clock:
    """Seconds since the epoch, as the local system sees them. Only ever moves forward."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(8))
            file.flush()
            self.fd = os.dup(file.fileno())
        self._offset = memoryview(mmap.mmap(self.fd, 8)).cast("q")
        self._stepper: Callable[[float, bool], None] | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return (_wall_ns() + self._offset[0]) / 1e9

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return (_wall_ns() + self._offset[0]) // 1_000_000

    def jump(self, seconds: float) -> None:
        """Move the offset and nothing else. Tests call `advance`."""
        if seconds > 0:
            self._offset[0] += round(seconds * 1e9)

    def advance(self, seconds: float, *, step: bool = True) -> None:
        """Let `seconds` pass. With `step`, stop at everything that is due on the way (a schedule, a delayed message,
        a visibility timeout, a function's deadline) and let the system finish it, so that each happens at its time.
        Without `step`, jump at once: everything that was due on the way is late.
        """
        if self._stepper is None:
            self.jump(seconds)
        else:
            self._stepper(seconds, step)

    def step_with(self, stepper: Callable[[float, bool], None]) -> None:
        """Register the function that `advance` calls: the running system steps through time with it."""
        self._stepper = stepper

    def close(self) -> None:
        os.close(self.fd)


class VirtualTimer:
    """A callback at a virtual time; `cancel` is idempotent."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class VirtualTimers:
    """Callbacks at virtual times on an event loop. One real timer is armed, for the earliest."""

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = clock
        self._loop = loop
        self._heap: list[tuple[float, int, VirtualTimer]] = []
        self._order = itertools.count()
        self._armed: asyncio.TimerHandle | None = None

    def at(self, when: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer(when, callback)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        if self._heap[0][2] is timer:
            self.arm()
        return timer

    def after(self, seconds: float, callback: Callable[[], None]) -> VirtualTimer:
        return self.at(self._clock.now() + seconds, callback)

    def next_due(self) -> float | None:
        """The virtual time of the earliest callback, or None."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def arm(self) -> None:
        """Arm the real timer again; needed after the clock jumped."""
        if self._armed:
            self._armed.cancel()
            self._armed = None
        due = self.next_due()
        if due is not None:
            # At most a day: select() is inexact for long delays. The timer is then armed again.
            self._armed = self._loop.call_later(min(max(0.0, due - self._clock.now()), 86_400), self.run)

    def run(self) -> None:
        """Run all callbacks that are due."""
        while (due := self.next_due()) is not None and due <= self._clock.now():
            callback = heapq.heappop(self._heap)[2].callback
            if callback:
                callback()
        self.arm()
