"""How long it takes until what broke has been made good, on a clock that is moved whenever nothing happens."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from local import moto_cloud
from local.queues import next_visible
from tests.bench.contenders import Contender
from tests.bench.processes import Process
from tests.bench.server import Server

IDLE_SECONDS = 1.5
"""Real ones, without a note or a call that is not an empty receive: nothing will happen before a time comes."""
HOUR = 3600.0


@dataclass
class Notes:
    """What the tasks wrote: how often each began and ended, and when (real epoch seconds), under which process."""

    starts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    running: dict[int, str] = field(default_factory=dict)
    """Process → the task that it began last and has not ended."""

    @classmethod
    def read(cls, server: Server) -> Notes:
        found = cls()
        for line in server.notes.read_text().splitlines():
            kind, task, _, pid = line.split()
            if kind == "start":
                found.starts[task] += 1
                found.running[int(pid)] = task
            else:
                found.ends[task] += 1
                found.running.pop(int(pid), None)
        return found


@dataclass(frozen=True)
class Seen:
    """`seconds`: on the server's clock, from the beginning of the watch to the last end that was seen."""

    notes: Notes
    seconds: float
    queued: int


class Supervisor:
    """Keeps a contender's workers running, as systemd or Kubernetes would: half a second after they ended."""

    def __init__(self, server: Server, contender: Contender) -> None:
        self._commands = contender.workers(server)
        self.workers = [Process(command) for command in self._commands]
        self.restarts = 0

    def look(self) -> None:
        for at, worker in enumerate(self.workers):
            if not worker.alive:
                worker.kill()
                time.sleep(0.5)
                self.workers[at] = Process(self._commands[at])
                self.restarts += 1

    def kill(self) -> None:
        """-9, all of them."""
        for worker in self.workers:
            worker.kill()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.stop()


def watch(
    server: Server,
    contender: Contender,
    done: Callable[[Notes], bool],
    *,
    look: Callable[[], None] = lambda: None,
    horizon: float,
    patience: float = 90.0,
) -> Seen:
    """Until `done`, until nothing is left that could happen, until `horizon` seconds have passed on the server's clock,
    or `patience` real ones in which things only went on happening."""
    clock = server.system.clock
    began, real = clock.now(), time.monotonic()
    finished = began
    notes = Notes.read(server)
    changed = time.monotonic()
    while clock.now() - began < horizon and time.monotonic() - real < patience:
        look()
        now = Notes.read(server)
        if now.ends.total() > notes.ends.total():
            finished = clock.now()
        if now != notes:
            notes, changed = now, time.monotonic()
        if done(notes):
            break
        last = max(changed, server.counting.of(contender.name, *contender.own).last)
        if time.monotonic() - last < IDLE_SECONDS:
            time.sleep(0.05)
            continue
        seconds = until_visible(server, contender.queues)
        if seconds is None:
            break
        move(server, contender, seconds)
        changed = time.monotonic()
    return Seen(Notes.read(server), finished - began, server.queued(*contender.queues))


def move(server: Server, contender: Contender, seconds: float) -> None:
    """The local system lets its functions finish at every stop on the way; of the others nobody knows."""
    if contender.through_local:
        server.system.clock.advance(seconds)
    else:
        server.system.clock.jump(seconds)


def until_visible(server: Server, prefixes: Sequence[str]) -> float | None:
    """Seconds until the next message appears in these queues; None when there is none."""
    now = server.system.clock.now_ms()
    queues = moto_cloud.backend("sqs").queues
    times = [
        at
        for name, queue in list(queues.items())
        if name.startswith(tuple(prefixes)) and (at := next_visible(queue, now)) is not None
    ]
    return (min(times) - now) / 1000 + 0.05 if times else None


def duration(seconds: float) -> str:
    """`21 s`, `30 min`, `12 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h"
