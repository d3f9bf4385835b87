"""`dispatch`: the one way in which a wake-up is put in flight, for first runs, retries and releases alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from functions.aws.queues import Queues
from functions.aws.timers import Timers
from functions.core.dispatch import ByQueue, by_queue_or_timer, timer_name
from functions.core.task import Task, lane_of
from functions.core.wakeup import WakeUp


@dataclass(frozen=True)
class Dispatcher:
    queues: Queues
    timers: Timers

    def dispatch(
        self, task: Task, *, generation: int, at: int, now: int, priority: int | None = None, rounds: int = 0
    ) -> None:
        """A wake-up of `generation` arrives at `at` (epoch ms), about a second late at the most.

        Called before the record is written (design §2, rule 1). A crash right after leaves a wake-up without its
        write: the worker that receives it drops it once no writer of it can still be alive.
        """
        lane = lane_of(task.priority if priority is None else priority)
        wakeup = wakeup_of(task, generation, rounds)
        way = by_queue_or_timer(at, now)
        if isinstance(way, ByQueue):
            self.queues.send(lane, wakeup, delay_seconds=way.delay_seconds)
        else:
            name = timer_name(task.id, generation, way.at)
            self.timers.create(name, self.queues.lanes[lane], wakeup, at=way.at)

    def dispatch_next_generation(self, tasks: Sequence[Task], *, now: int, at_once: bool = False) -> None:
        """A wake-up of each one's next generation, at its time (`at_once`: now), in tens where they go by queue.
        As `dispatch`, called before the records are written."""
        by_queue: dict[str, list[tuple[WakeUp, int]]] = {}
        for task in tasks:
            at = now if at_once else max(task.available_at, now)
            way = by_queue_or_timer(at, now)
            if isinstance(way, ByQueue) and len(tasks) > 1:
                sent = (wakeup_of(task, task.generation + 1), way.delay_seconds)
                by_queue.setdefault(task.lane, []).append(sent)
            else:
                self.dispatch(task, generation=task.generation + 1, at=at, now=now)
        for lane, wakeups in by_queue.items():
            self.queues.send_many(lane, wakeups)

    def delete_timer(self, task: Task, *, now: int) -> None:
        """Deletes the timer of a task that was cancelled or moved, if it travels by one."""
        way = by_queue_or_timer(task.available_at, now)
        if not isinstance(way, ByQueue):
            self.timers.delete(timer_name(task.id, task.generation, way.at))


def wakeup_of(task: Task, generation: int, rounds: int = 0) -> WakeUp:
    return WakeUp(
        tenant=task.tenant,
        task=task.id,
        generation=generation,
        timeout_seconds=task.timeout_seconds,
        rounds=rounds,
    )
