"""How one declaration becomes a typed method of both clients.

    class MonitorMethods:
        stats = CallMethod(monitor.stats)

gives `Taskyard.stats() -> Stats` and `AsyncTaskyard.stats() -> Coroutine[…, Stats]`, with the parameters of
`monitor.stats`, for type checkers and editors too.
"""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload

from taskyard.operations.paging import Pages
from taskyard.operations.steps import Steps, send
from taskyard.transport.call import Call
from taskyard.transport.connection import Connection

P = ParamSpec("P")
T = TypeVar("T")


class BlockingPerformer(Protocol):
    """Performs steps one after the other."""

    @property
    def connection(self) -> Connection: ...
    def perform(self, steps: Steps[T]) -> T: ...
    def iterate(self, pages: Pages[T]) -> Iterator[T]: ...


class AsyncPerformer(Protocol):
    """Awaits steps."""

    @property
    def connection(self) -> Connection: ...
    async def perform(self, steps: Steps[T]) -> T: ...
    def iterate(self, pages: Pages[T]) -> AsyncIterator[T]: ...


class BlockingMethods:
    """Base of objects whose methods block until the result is there."""

    def __init__(self, performer: BlockingPerformer) -> None:
        self._performer = performer


class AsyncMethods:
    """Base of objects whose methods are awaited."""

    def __init__(self, performer: AsyncPerformer) -> None:
        self._performer = performer


class StepsMethod(Generic[P, T]):
    """A method whose function makes steps of a connection and the arguments."""

    def __init__(self, function: Callable[Concatenate[Connection, P], Steps[T]]) -> None:
        functools.update_wrapper(cast(Any, self), function)
        self._steps = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, instance: BlockingMethods, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: AsyncMethods, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        performer = instance._performer

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return performer.perform(self._steps(performer.connection, *args, **kwargs))

        async def async_method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await performer.perform(self._steps(performer.connection, *args, **kwargs))

        bound = method if isinstance(instance, BlockingMethods) else async_method
        return _with_declaration(bound, self, self._signature_source(performer.connection))

    def _signature_source(self, connection: Connection) -> Callable[..., Any]:
        return functools.partial(self._steps, connection)


class CallMethod(StepsMethod[P, T]):
    """A method that sends the one call that its function makes of the arguments."""

    def __init__(self, function: Callable[P, Call[T]]) -> None:
        def steps(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
            return (yield from send(connection, function(*args, **kwargs)))

        super().__init__(steps)
        functools.update_wrapper(cast(Any, self), function)
        self._function = function

    def _signature_source(self, connection: Connection) -> Callable[..., Any]:
        return self._function


class PagesMethod(Generic[P, T]):
    """A method that iterates over the items of pages. A page is read when the iterator reaches it."""

    def __init__(self, function: Callable[Concatenate[Connection, P], Pages[T]]) -> None:
        functools.update_wrapper(cast(Any, self), function)
        self._pages = function

    def __set_name__(self, owner: type, name: str) -> None:
        self.__name__ = name

    @overload
    def __get__(self, instance: BlockingMethods, owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: AsyncMethods, owner: type) -> Callable[P, AsyncIterator[T]]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        performer = instance._performer

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return performer.iterate(self._pages(performer.connection, *args, **kwargs))

        return _with_declaration(method, self, functools.partial(self._pages, performer.connection))


def _with_declaration(
    method: Callable[..., Any], declaration: Any, signature_source: Callable[..., Any]
) -> Callable[..., Any]:
    """The method with the name and documentation of its declaration, and the signature for `help` and `inspect`."""
    method.__name__, method.__doc__ = declaration.__name__, declaration.__doc__
    vars(method)["__wrapped__"] = signature_source
    return method
