"""`Dispatcher`: the only way in which a wake-up is sent, for first runs, retries and releases alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from functions.aws.queues import MESSAGES_PER_CALL, Queues
from functions.aws.timers import Timers
from functions.core.dispatch import ByQueue, by_queue_or_timer, timer_name
from functions.core.pools import Routing
from functions.core.task import Task
from functions.core.wakeup import WakeUp
from functions.runtime.parallel import map_parallel


class Dispatcher:
    """Every method is called before the record is written (docs/adr/0002). A crash right after it leaves a wake-up
    without its write; the worker that receives it drops it once no writer of the record can still run."""

    def __init__(self, queues: Queues, timers: Timers, routing: Routing) -> None:
        self.queues = queues
        self.timers = timers
        self.routing = routing

    def dispatch(
        self, task: Task, *, generation: int, at: int, now: int, priority: int | None = None, rounds: int = 0
    ) -> None:
        """Sends a wake-up of `generation` that arrives at `at` (epoch ms), or up to about a second later. `priority`:
        chooses the lane instead of the task's own. `rounds`: how often the wake-up has returned from a DLQ."""
        lane = self.routing.lane_of(task.type, task.priority if priority is None else priority)
        wakeup = wakeup_of(task, generation, rounds)
        way = by_queue_or_timer(at, now)
        if isinstance(way, ByQueue):
            self.queues.send(lane, wakeup, delay_seconds=way.delay_seconds)
        else:
            name = timer_name(task.id, generation, way.at)
            self.timers.create(name, self.queues.lane(lane), wakeup, at=way.at)

    def send_next_wakeups(self, tasks: Sequence[Task], *, now: int, at_once: bool = False) -> None:
        """Sends a wake-up of each task's next generation for its `available_at` (`at_once`: for now). Wake-ups of one
        lane share calls."""
        by_lane: dict[str, list[tuple[WakeUp, int]]] = {}
        for task in tasks:
            at = now if at_once else max(task.available_at, now)
            way = by_queue_or_timer(at, now)
            if isinstance(way, ByQueue) and len(tasks) > 1:
                entry = (wakeup_of(task, task.generation + 1), way.delay_seconds)
                by_lane.setdefault(self.routing.lane_of_task(task), []).append(entry)
            else:
                self.dispatch(task, generation=task.generation + 1, at=at, now=now)
        for lane, wakeups in by_lane.items():
            self.queues.send_many(lane, wakeups)

    def dispatch_many(self, tasks: Sequence[Task], *, now: int) -> list[Exception | None]:
        """As `send_next_wakeups`, in parallel. Returns the error of each task, None without one. The tasks of
        one call fail together, also when SQS took some of their wake-ups: those are dropped, since no write follows."""
        errors: list[Exception | None] = [None] * len(tasks)
        groups = list(group_in_tens(tasks, now, self.routing))

        def send(group: list[int]) -> None:
            self.send_next_wakeups([tasks[position] for position in group], now=now)

        for group, error in zip(groups, map_parallel(send, groups), strict=True):
            for position in group:
                errors[position] = error
        return errors

    def delete_timer(self, task: Task, *, now: int) -> None:
        """Of a task that was cancelled or rescheduled. Nothing for a task whose wake-up is in a queue."""
        way = by_queue_or_timer(task.available_at, now)
        if not isinstance(way, ByQueue):
            self.timers.delete(timer_name(task.id, task.generation, way.at))


def group_in_tens(tasks: Sequence[Task], now: int, routing: Routing) -> Iterable[list[int]]:
    """Positions of tasks whose wake-ups can share a call: tasks of one lane, up to ten. A timer is a call of its
    own."""
    by_lane: dict[str, list[int]] = {}
    for position, task in enumerate(tasks):
        if isinstance(by_queue_or_timer(max(task.available_at, now), now), ByQueue):
            by_lane.setdefault(routing.lane_of_task(task), []).append(position)
        else:
            yield [position]
    for positions in by_lane.values():
        for start in range(0, len(positions), MESSAGES_PER_CALL):
            yield positions[start : start + MESSAGES_PER_CALL]


def wakeup_of(task: Task, generation: int, rounds: int = 0) -> WakeUp:
    return WakeUp(
        tenant=task.tenant,
        task=task.id,
        generation=generation,
        type=task.type,
        timeout_seconds=task.timeout_seconds,
        rounds=rounds,
    )
