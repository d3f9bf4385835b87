"""Reads a task or workflow again and again until it has ended."""

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from taskyard.errors import TaskyardError, Throttled, Unavailable, Unreachable
from taskyard.operations.steps import Sleep, Steps, send
from taskyard.transport.call import Call
from taskyard.transport.connection import Connection

T = TypeVar("T")

LAST_READ_SECONDS: Final = 1.0
"""The last read starts so long before the end of the wait, and may take that time."""


def polling_pauses(first: float = 0.1, growth: float = 1.5, cap: float = 5.0) -> Iterator[float]:
    """Seconds between two reads: short for short tasks, at most `cap` for long ones."""
    pause = first
    while True:
        yield pause
        pause = min(cap, pause * growth)


class PollingTime:
    """timeout: seconds of the whole wait; None is without end, 0 reads once. clock: seconds."""

    def __init__(self, timeout: float | None, clock: Callable[[], float]) -> None:
        self.timeout = timeout
        self._end = None if timeout is None else clock() + timeout
        self._clock = clock
        self._pauses = polling_pauses()

    def seconds_left(self) -> float | None:
        """For one read; None is the usual time of a request, also for the only read of a wait of 0 seconds."""
        return None if self._end is None or not self.timeout else max(0.0, self._end - self._clock())

    @property
    def is_over(self) -> bool:
        return self._end is not None and self._clock() >= self._end

    def next_pause(self) -> float | None:
        """Seconds until the next read; None when the time is over."""
        pause = next(self._pauses)
        if self._end is None or self.timeout is None:
            return pause
        left = self._end - self._clock() - min(LAST_READ_SECONDS, self.timeout / 10)
        # Less than a millisecond is a rounding error, which no sleep would use up.
        return min(pause, left) if left > 0.001 else None


def read_until(
    connection: Connection,
    call: Call[T],
    has_ended: Callable[[T], bool],
    timeout: float | None,
    timeout_error: Callable[[T, float], TaskyardError],
) -> Steps[T]:
    """What the call reads, once it has ended. Raises `timeout_error(last read, timeout)` after `timeout` seconds, and
    the error of a read that fails when nothing was read before or when the time is not over."""
    time, last_read = PollingTime(timeout, connection.clock), None
    while True:
        try:
            last_read = yield from send(connection, call, time.seconds_left())
        except (Unreachable, Unavailable, Throttled):
            if last_read is None or not time.is_over:
                raise
        if has_ended(last_read):
            return last_read
        pause = time.next_pause()
        if pause is None:
            raise timeout_error(last_read, timeout or 0)
        yield Sleep(pause)
