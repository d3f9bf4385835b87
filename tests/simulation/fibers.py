"""Invocations as greenlets on a virtual clock: one runs at a time, and only the hub says which (deterministic).

Everything that a function would do in a thread of its own is a fiber of the same invocation; every place where it
would wait (an AWS call, a join, a sleep) hands control back to the hub. Times are integer microseconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

SECOND = 1_000_000
MS = 1_000


class Killed(BaseException):
    """This fiber's process is gone. What its code does while it unwinds has no effect."""


class Restless(Exception):
    """The step limit: the world does not come to rest."""


class Process:
    """What dies as one: the fibers of an invocation, or of a client."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        self.fibers: list[Fiber] = []
        self.dead = False
        self.skew = 0
        """Microseconds by which this process's clock is off."""

    def die(self) -> None:
        """From inside: ends the calling fiber at once and the others before anything else happens."""
        self.dead = True
        raise Killed

    def kill(self) -> None:
        """From the hub. Fibers are unwound now, so that no garbage collector does it at another time."""
        self.dead = True
        fibers, self.fibers = self.fibers, []
        for fiber in fibers:
            if not fiber.ended:
                if fiber:
                    fiber.throw(Killed)
                else:
                    fiber.ended = True  # never began
                fiber.after()

    def enter(self) -> None:
        """Before one of its fibers runs: what is global in a real process is its own here."""

    def leave(self) -> None: ...


class Fiber(greenlet):
    """One thread of a process."""

    def __init__(self, process: Process, call: Callable[[], Any]) -> None:
        super().__init__(self._main, process.hub.greenlet)
        self.process = process
        self._call = call
        self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.waiting = 0
        """Raised by every wake-up: what was scheduled for an earlier wait does nothing."""
        self.joiners: list[tuple[Fiber, int]] = []
        self.after: Callable[[], None] = nothing
        """Called by the hub once it has ended, whichever way."""
        process.fibers.append(self)

    def _main(self) -> None:
        try:
            if not self.process.dead:
                self.result = self._call()
        except BaseException as error:
            self.error = error
        self.ended = True
        hub = self.process.hub
        for fiber, waiting in self.joiners:
            hub.at(hub.now, lambda fiber=fiber, waiting=waiting: hub.resume(fiber, waiting))


class Hub:
    """The clock and the heap of what happens next. `tie()` decides between events of one instant."""

    def __init__(self, now: int, tie: Callable[[], float], limit: int) -> None:
        self.now = now
        self.greenlet = getcurrent()
        self.steps = 0
        self.limit = limit
        self._tie = tie
        self._heap: list[tuple[int, float, int, Callable[[], None]]] = []
        self._order = 0

    def at(self, when: int, call: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._heap, (when if when > self.now else self.now, self._tie(), self._order, call))

    def after(self, delay: int, call: Callable[[], None]) -> None:
        self.at(self.now + delay, call)

    def spawn(self, process: Process, call: Callable[[], Any]) -> Fiber:
        fiber = Fiber(process, call)
        self.at(self.now, lambda: self.resume(fiber, 0))
        return fiber

    def resume(self, fiber: Fiber, waiting: int) -> None:
        if fiber.ended or fiber.waiting != waiting or fiber.process.dead:
            return
        fiber.waiting += 1
        process = fiber.process
        process.enter()
        fiber.switch()
        process.leave()
        if process.dead:
            process.kill()
        if fiber.ended:
            fiber.after()

    def run(self) -> None:
        """Until nothing is left to happen. Raises Restless."""
        while self._heap:
            self.steps += 1
            if self.steps > self.limit:
                raise Restless
            when, _, _, call = heapq.heappop(self._heap)
            self.now = when
            call()

    # -- for the fiber that runs

    def sleep(self, delay: int) -> None:
        fiber = current()
        waiting = fiber.waiting
        self.at(self.now + delay, lambda: self.resume(fiber, waiting))
        self._switch(fiber)

    def join(self, other: Fiber, timeout: int | None = None) -> None:
        """Waits until `other` has ended, or the time is over."""
        fiber = current()
        if other.ended:
            return
        waiting = fiber.waiting
        other.joiners.append((fiber, waiting))
        if timeout is not None:
            self.at(self.now + timeout, lambda: self.resume(fiber, waiting))
        self._switch(fiber)

    def wait(self, begin: Callable[[Callable[[], None]], None], timeout: int | None) -> None:
        """`begin` is given what ends the wait; or the time is over."""
        fiber = current()
        waiting = fiber.waiting

        def wake() -> None:
            self.at(self.now, lambda: self.resume(fiber, waiting))

        begin(wake)
        if timeout is not None:
            self.at(self.now + timeout, lambda: self.resume(fiber, waiting))
        self._switch(fiber)

    def _switch(self, fiber: Fiber) -> None:
        if fiber.process.dead:
            raise Killed
        self.greenlet.switch()
        if fiber.process.dead:
            raise Killed


def nothing() -> None: ...


def current() -> Fiber:
    fiber = getcurrent()
    assert isinstance(fiber, Fiber), "only a fiber can wait"
    return fiber


def running() -> Fiber | None:
    fiber = getcurrent()
    return fiber if isinstance(fiber, Fiber) else None


class Thread:
    """`threading.Thread` as functions use it."""

    ident = None

    def __init__(self, *, target: Callable[..., Any], args: tuple[Any, ...] = (), **_: Any) -> None:
        self._target = target
        self._args = args
        self._fiber: Fiber | None = None

    def start(self) -> None:
        process = current().process
        self._fiber = process.hub.spawn(process, lambda: self._target(*self._args))

    def join(self, timeout: float | None = None) -> None:
        assert self._fiber is not None
        self._fiber.process.hub.join(self._fiber, None if timeout is None else max(0, round(timeout * SECOND)))


class Future:
    def __init__(self, fiber: Fiber) -> None:
        self.fiber = fiber

    def result(self, timeout: float | None = None) -> Any:
        self.fiber.process.hub.join(self.fiber, None if timeout is None else max(0, round(timeout * SECOND)))
        if not self.fiber.ended:
            raise TimeoutError
        if self.fiber.error is not None:
            raise self.fiber.error
        return self.fiber.result

    def done(self) -> bool:
        return self.fiber.ended

    def exception(self) -> BaseException | None:
        return self.fiber.error


class ThreadPoolExecutor:
    """`concurrent.futures.ThreadPoolExecutor` as functions use it; as wide as what it is given."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._inside: list[Fiber] = []

    def __enter__(self) -> ThreadPoolExecutor:
        return self

    def __exit__(self, *_: Any) -> None:
        for fiber in self._inside:
            fiber.process.hub.join(fiber)

    def submit(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
        process = current().process
        return Future(process.hub.spawn(process, lambda: call(*args, **kwargs)))

    def map(self, call: Callable[..., Any], *iterables: Any) -> list[Any]:
        futures = [self.submit(call, *args) for args in zip(*iterables, strict=True)]
        self._inside += [future.fiber for future in futures]
        return [future.result() for future in futures]
