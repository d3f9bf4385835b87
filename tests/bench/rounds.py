"""One round: each contender in turn is given the same tasks, and what it did with them is counted and timed."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.contenders import Contender
from tests.bench.counting import SETUP, Tally
from tests.bench.processes import ContenderFailed, Process, running, wait_until
from tests.bench.server import Server

QUIET_SECONDS = 0.4
"""Nothing but empty receives for so long, with all tasks begun and all queues empty: the contender is done."""


@dataclass(frozen=True)
class Size:
    """`tasks` at once; then `paced` one by one, `gap` seconds apart; then `delayed`, due `delay` seconds later."""

    tasks: int = 1000
    paced: int = 40
    gap: float = 0.1
    delayed: int = 20
    delay: float = 3.0
    patience: float = 300.0


QUICK = Size(tasks=100, paced=10, delayed=5, delay=2.0, patience=60.0)


@dataclass(frozen=True)
class Begun:
    """Notes of a run: task → when it began (epoch seconds), each time."""

    at: dict[str, list[float]]

    @classmethod
    def read(cls, server: Server) -> Begun:
        at: dict[str, list[float]] = {}
        for line in server.notes.read_text().splitlines():
            kind, task, when, _ = line.split()
            if kind == "start":
                at.setdefault(task, []).append(float(when))
        return cls(at)


def play(server: Server, contender: Contender, size: Size) -> dict[str, Any]:
    """One contender's part of a round. Raises ContenderFailed."""
    server.forget()
    contender.prepare(server)
    with running(*contender.workers(server), contender.producer(server)) as processes:
        *workers, producer = processes
        producer.answer(60)
        warm_up(server, contender, workers, producer)
        return (
            {"name": contender.name, "title": contender.title, "peer": contender.peer, "api": contender.api}
            | throughput(server, contender, workers, producer, size)
            | latency(server, contender, producer, size)
        )


def warm_up(server: Server, contender: Contender, workers: Sequence[Process], producer: Process) -> None:
    """Until every process has made its clients and has run something."""
    count = 10 * max(1, len(workers))
    ids = [f"warm-{at}" for at in range(count)]
    producer.order(120, ids=ids)
    if not finish(server, contender, workers, ids, 60):
        raise ContenderFailed(workers[0].command if workers else producer.command, "not done with its first tasks")


def finish(
    server: Server, contender: Contender, workers: Sequence[Process], ids: Sequence[str], seconds: float
) -> bool:
    """Until the tasks have begun, their messages are gone, and the writes have stopped."""
    wanted = set(ids)

    def done() -> bool:
        if any(not worker.alive for worker in workers):
            dead = next(worker for worker in workers if not worker.alive)
            raise ContenderFailed(dead.command, dead.tail())
        if not wanted <= Begun.read(server).at.keys() or server.queued(*contender.queues):
            return False
        last = server.counting.of(contender.name, *contender.own).last
        return time.monotonic() - last > QUIET_SECONDS

    came = wait_until(done, seconds, pause=0.1)
    server.system.settle(30)
    return came


def throughput(
    server: Server, contender: Contender, workers: Sequence[Process], producer: Process, size: Size
) -> dict[str, Any]:
    """A backlog: all tasks are submitted while the workers stand still, then worked off. Seconds from the first submit
    to the last write. The local system's own workers do not stand still: they work while tasks are submitted."""
    server.counting.reset()
    server.system.usage.reset()
    ids = [f"t{at:06d}" for at in range(size.tasks)]
    before = [process.cpu_seconds() for process in (*workers, producer)]
    with standing_still(workers):
        began = time.monotonic()
        producer.order(size.patience, ids=ids)
        submitted = time.monotonic()
    came = finish(server, contender, workers, ids, size.patience)
    cpu = [process.cpu_seconds() - earlier for process, earlier in zip((*workers, producer), before, strict=True)]
    last = server.counting.of(contender.name, *contender.own).last
    begun = Begun.read(server).at
    starts = [len(begun.get(task, ())) for task in ids]
    seconds = last - began
    return {
        "tasks": size.tasks,
        "finished": came,
        "neverRan": starts.count(0),
        "ranAgain": sum(count > 1 for count in starts),
        "seconds": seconds,
        "submitSeconds": submitted - began,
        "workSeconds": last - submitted,
        "tasksPerSecond": size.tasks / seconds,
        "cpuMsPerTask": None if contender.through_local else 1000 * sum(cpu) / size.tasks,
        **used(server, contender, size.tasks),
    }


def used(server: Server, contender: Contender, tasks: int) -> dict[str, Any]:
    """What each of so many tasks took: calls and units, and those of who works behind the contender's back."""
    tally = server.counting.of(contender.name, *contender.own)
    if contender.through_local:
        tally.calls += poller_calls(server)
    return per_task(tally, tasks) | {
        "behind": per_task(server.counting.of(*contender.shared), tasks),
        "invocations": invocations(server, tasks) if contender.shared else {},
    }


@contextlib.contextmanager
def standing_still(workers: Sequence[Process]) -> Iterator[None]:
    for worker in workers:
        worker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            worker.signal(signal.SIGCONT)


def poller_calls(server: Server) -> Counter[str]:
    """What the event source mappings received and deleted, which does not go over HTTP here but is paid for."""
    calls: Counter[str] = Counter()
    for (caller, service, operation), count in server.system.usage.calls.items():
        if caller.startswith("worker-") and caller.endswith("/poller"):
            calls[f"{service}.{operation}"] += count
    return calls


def invocations(server: Server, tasks: int) -> dict[str, float]:
    counts = Counter(invocation.function for invocation in server.system.invocations)
    return {name: count / tasks for name, count in sorted(counts.items())}


def per_task(tally: Tally, tasks: int) -> dict[str, Any]:
    calls = {name: count / tasks for name, count in sorted(tally.calls.items()) if name.split(".")[1] not in SETUP}
    setup = {name: count for name, count in sorted(tally.calls.items()) if name.split(".")[1] in SETUP}
    return {
        "calls": calls,
        "callsPerTask": sum(calls.values()),
        "setupCalls": setup,
        "emptyReceives": tally.empty_receives,
        "writeUnits": tally.write_units / tasks,
        "writeUnitsByKind": {kind: units / tasks for kind, units in sorted(tally.writes.items())},
        "readUnits": tally.read_units / tasks,
    }


def latency(server: Server, contender: Contender, producer: Process, size: Size) -> dict[str, Any]:
    """Tasks that are submitted each by itself and meet idle workers: enqueue-to-start, drift at the due time, in ms,
    and their calls."""
    server.counting.reset()
    server.system.usage.reset()
    order = {"gap": size.gap, "group": 1}
    paced = [f"p{at:04d}" for at in range(size.paced)]
    sent = dict(map(tuple, producer.order(size.patience, ids=paced, **order)["sent"]))
    wait_until(lambda: sent.keys() <= Begun.read(server).at.keys(), 30)
    time.sleep(QUIET_SECONDS)
    server.system.settle(30)
    alone = used(server, contender, size.paced) | {"api": float(contender.api > 0)}
    delayed = [f"d{at:04d}" for at in range(size.delayed)]
    submitted = producer.order(size.patience, ids=delayed, delay=size.delay, **order)["sent"]
    due = {task: at + size.delay for task, at in submitted}
    wait_until(lambda: due.keys() <= Begun.read(server).at.keys(), size.delay + 30)
    begun = Begun.read(server).at
    return {
        "startMs": spread([1000 * (begun[task][0] - at) for task, at in sent.items() if task in begun]),
        "driftMs": spread([1000 * (begun[task][0] - at) for task, at in due.items() if task in begun]),
        "alone": alone,
        "neverStarted": sum(task not in begun for task in (*paced, *delayed)),
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 95th percentile and worst."""
    if not values:
        return None
    ordered = sorted(values)
    return {
        "p50": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))],
        "max": ordered[-1],
        "min": ordered[0],
    }
