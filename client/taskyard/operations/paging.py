"""Reads a list that the API answers page by page."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from taskyard.operations.steps import Steps, send
from taskyard.transport.call import Call
from taskyard.transport.connection import Connection

PAGE_LIMIT: Final = 100
"""The largest page that the API answers."""


class HasCursor(Protocol):
    @property
    def cursor(self) -> str | None: ...


PageT = TypeVar("PageT", bound=HasCursor)
ItemT = TypeVar("ItemT")


class Pages(Generic[ItemT]):
    """The items of all pages, at most `limit` of them. page_call(size, cursor): the call that reads one page."""

    def __init__(
        self,
        connection: Connection,
        page_call: Callable[[int, str | None], Call[PageT]],
        items_of: Callable[[PageT], Sequence[ItemT]],
        limit: int | None = None,
    ) -> None:
        self._connection = connection
        self._page_call: Callable[[int, str | None], Call[Any]] = page_call
        self._items_of: Callable[[Any], Sequence[ItemT]] = items_of
        self._left = limit
        self._cursor: str | None = None
        self.exhausted = limit is not None and limit <= 0

    def read_next(self) -> Steps[Sequence[ItemT]]:
        """The items of the next page."""
        size = PAGE_LIMIT if self._left is None else min(self._left, PAGE_LIMIT)
        page = yield from send(self._connection, self._page_call(size, self._cursor))
        items = self._items_of(page)[: self._left]
        if self._left is not None:
            self._left -= len(items)
        self._cursor = page.cursor
        self.exhausted = self._cursor is None or (self._left is not None and self._left <= 0)
        return items
