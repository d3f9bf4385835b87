"""Reading on: through the pages of a list, and until something has ended. Each for both clients."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from taskyard.retrying import polling_pauses

T = TypeVar("T")

# The largest page that the API gives.
PAGE_LIMIT = 100


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
    """How long to go on looking, and the pauses between: growing, at most 5 s. clock: seconds."""

    def __init__(self, timeout: float | None, clock: Callable[[], float]) -> None:
        self.timeout = timeout
        self._end = None if timeout is None else clock() + timeout
        self._clock = clock
        self._pauses = polling_pauses()

    def pause(self) -> float | None:
        """Seconds until the next look; None when the time is up."""
        pause = next(self._pauses)
        if self._end is None:
            return pause
        left = self._end - self._clock()
        return min(pause, left) if left > 0 else None
