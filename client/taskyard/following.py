"""Reading on: through the pages of a list, and until something has ended. Each for both clients."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from taskyard.retrying import polling_pauses

T = TypeVar("T")

# The largest page that the API gives.
PAGE_LIMIT = 100


LAST_LOOK_SECONDS = 1.0


class Cursored(Protocol):
    @property
    def cursor(self) -> str | None: ...


P = TypeVar("P", bound=Cursored)


def each(
    page: Callable[[int, str | None], P], items: Callable[[P], Sequence[T]], limit: int | None = None
) -> Iterator[T]:
    """At most `limit` in all. page(size, cursor): fetched as the iterator reaches it."""
    cursor, left = None, limit
    while left is None or left > 0:
        found = page(PAGE_LIMIT if left is None else min(left, PAGE_LIMIT), cursor)
        some = items(found)[:left]
        yield from some
        left = None if left is None else left - len(some)
        cursor = found.cursor
        if cursor is None:
            return


async def each_awaited(
    page: Callable[[int, str | None], Awaitable[P]], items: Callable[[P], Sequence[T]], limit: int | None = None
) -> AsyncIterator[T]:
    cursor, left = None, limit
    while left is None or left > 0:
        found = await page(PAGE_LIMIT if left is None else min(left, PAGE_LIMIT), cursor)
        some = items(found)[:left]
        for one in some:
            yield one
        left = None if left is None else left - len(some)
        cursor = found.cursor
        if cursor is None:
            return


class Patience:
    """How long to go on looking, and the pauses between: growing, at most 5 s. clock: seconds. The last look comes up
    to a second before the end: that is its own time."""

    def __init__(self, timeout: float | None, clock: Callable[[], float]) -> None:
        self.timeout = timeout
        self._end = None if timeout is None else clock() + timeout
        self._clock = clock
        self._pauses = polling_pauses()

    def left(self) -> float | None:
        """Seconds that a look may take; None is without end. Who gives no time gets one look, and its usual time."""
        return None if self._end is None or not self.timeout else max(0.0, self._end - self._clock())

    @property
    def is_over(self) -> bool:
        return self._end is not None and self._clock() >= self._end

    def pause(self) -> float | None:
        """Seconds until the next look; None when the time is up."""
        pause = next(self._pauses)
        if self._end is None or self.timeout is None:
            return pause
        left = self._end - self._clock() - min(LAST_LOOK_SECONDS, self.timeout / 10)
        # Less than a millisecond is a rounding, which no sleep would ever use up.
        return min(pause, left) if left > 0.001 else None
