"""How long it takes until what broke has been made good, on a clock that is moved whenever nothing happens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from local.aws import moto_backends
from local.aws.moto_queues import next_visible_ms
from tests.bench.contenders import Contender
from tests.bench.processes import Process
from tests.bench.server import Server

IDLE_SECONDS = 3.0
"""Real ones, without a note or a call that is not an empty receive: nothing will happen before a time comes. dramatiq
takes two to end when one of its processes has died."""
LOOK_SECONDS = 15.0
"""Real ones that workers get to look at their queue once the clock has moved, or they have been started again. Those
that hold as much as they may prefetch do not look."""
HOUR = 3600.0
HORIZON = 30 * HOUR
"""Of a watch, on the server's clock: twice as long as any visibility timeout."""


@dataclass
class Notes:
    """What the tasks wrote: how often each began and ended, when one ended last (epoch seconds of its process's clock:
    Taskyard's is the server's, a peer's is real), and who runs some now."""

    starts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    last_end: float = 0.0
    running: Counter[int] = field(default_factory=Counter)
    """Process → how many tasks it has begun and not ended."""

    @classmethod
    def read(cls, server: Server) -> Notes:
        found = cls()
        for line in server.notes.read_text().splitlines():
            kind, task, at, pid = line.split()
            if kind == "start":
                found.starts[task] += 1
                found.running[int(pid)] += 1
            else:
                found.ends[task] += 1
                found.last_end = max(found.last_end, float(at))
                found.running[int(pid)] -= 1
        return found

    def all_ended(self, ids: list[str]) -> bool:
        return all(self.ends[task] for task in ids)


@dataclass(frozen=True)
class Seen:
    """`seconds`: on the server's clock, from the beginning of the watch to the last end that was seen. `cut`: patience
    was over while things still went on."""

    notes: Notes
    seconds: float
    cut: bool


class Supervisor:
    """Keeps a contender's workers running, as systemd or Kubernetes would: half a second after they ended."""

    def __init__(self, server: Server, contender: Contender) -> None:
        self._commands = contender.workers(server)
        self.workers = [Process(command) for command in self._commands]
        self.started = time.monotonic()

    def look(self) -> None:
        for at, worker in enumerate(self.workers):
            if not worker.alive:
                worker.kill()
                time.sleep(0.5)
                self.workers[at] = Process(self._commands[at])
                self.started = time.monotonic()

    def kill(self) -> None:
        """-9, all of them."""
        for worker in self.workers:
            worker.kill()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.stop()


@dataclass
class Watch:
    """Until `done`, until nothing is left that could happen, until HORIZON has passed on the server's clock, or
    `patience` real seconds in which things only went on happening. `moves`: whether the clock may be moved; `stride`:
    by how many seconds at least, of a peer, so that messages which appear one after another are looked at together."""

    server: Server
    contender: Contender
    supervisor: Supervisor
    done: Callable[[Notes], bool]
    patience: float = 90.0
    moves: bool = True
    stride: float = 0.0
    began: float | None = None
    """On the server's clock, when that is not now."""

    def run(self) -> Seen:
        clock = self.server.system.clock
        began, until = self.began or clock.now(), time.monotonic() + self.patience
        notes = Notes.read(self.server)
        finished, changed, moved = began, time.monotonic(), time.monotonic()
        cut = False
        while clock.now() - began < HORIZON and not cut:
            self.supervisor.look()
            quiet = self.transitions and self._quiet(changed, moved)
            now = Notes.read(self.server)
            if now.ends.total() > notes.ends.total():
                finished = self._virtual(now.last_end)
            if now != notes:
                notes, changed = now, time.monotonic()
            if self.done(notes):
                break
            cut = time.monotonic() > until
            if not quiet:
                time.sleep(0.05)
            elif self._move():
                moved = time.monotonic()
            else:
                break
        return Seen(notes, max(0.0, finished - began), cut and self.transitions)

    def _virtual(self, at: float) -> float:
        """A peer does not know the server's clock, which has not been moved since the note was written."""
        return at if self.contender.through_local else at + self.server.system.clock.now() - time.time()

    def _quiet(self, changed: float, moved: float) -> bool:
        """Whether nothing will happen before a time comes."""
        if self.contender.through_local:
            return self.server.system.settle(5)
        tally = self.server.counting.of(self.contender.name)
        now, since = time.monotonic(), max(moved, self.supervisor.started)
        looked = tally.polled > since or now - since > LOOK_SECONDS
        return looked and now - max(changed, since, tally.last) > IDLE_SECONDS

    def _move(self) -> bool:
        """To the next thing due: whether there is any. The local system lets its functions finish at every stop on the
        way; of the others' workers it knows nothing, and theirs is only what waits in a queue."""
        system = self.server.system
        if not self.contender.through_local:
            seconds = until_visible(self.server, self.contender.queues)
            if seconds is not None:
                system.clock.jump(max(seconds, self.stride))
            return seconds is not None
        seconds = system.run(until_due(self.server))
        if seconds:
            system.clock.advance(max(1.0, seconds))
        return seconds is not None


async def until_due(server: Server) -> float | None:
    """Seconds until the next thing is due in the local system, 0 while one is under way; None when there is none. On
    the system's loop: between a look at what is under way and one at what is due, what was due may begin."""
    system = server.system
    if system._busy(windows=True):
        return 0.0
    due = system.timers.next_due()
    return None if due is None else due - system.clock.now() + 0.05


def until_visible(server: Server, prefixes: tuple[str, ...]) -> float | None:
    """Seconds until the next message appears in these queues; None when there is none."""
    now = server.system.clock.now_ms()
    times = [
        at
        for name, queue in list(moto_backends.backend("sqs").queues.items())
        if name.startswith(prefixes) and (at := next_visible_ms(queue, now)) is not None
    ]
    return (min(times) - now) / 1000 + 0.05 if times else None


def duration(seconds: float) -> str:
    """`21 s`, `30 min`, `12 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.0f} h"
