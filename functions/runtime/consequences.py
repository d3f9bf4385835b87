"""What a settled task does to the tasks that wait for it (design §4).

All of it is idempotent, and run again it finishes what was begun: whoever dies in the middle is followed by the
redelivered wake-up of the settled task, which runs all of it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.core.states import State
from functions.core.task import Task
from functions.runtime.dispatch import Dispatcher
from functions.store.tasks import TaskStore, Wrote


@dataclass(frozen=True)
class Consequences:
    """`clock`: epoch ms."""

    tasks: TaskStore
    dispatcher: Dispatcher
    clock: Callable[[], int]

    def run(self, task: Task) -> None:
        """Of a settled task. An explicit stack, not recursion: a chain of skips may be thousands long. Each task once
        in a run: in a graph of skips there are far more paths than tasks."""
        settled, seen = [task], {task.id}
        while settled:
            upstream = settled.pop()
            if upstream.has_dependents:
                for dependent in self.tasks.dependents(upstream.tenant, upstream.id):
                    found = [task for task in self._resolve(upstream, dependent) if task.id not in seen]
                    seen.update(task.id for task in found)
                    settled += found

    def link(self, task: Task) -> None:
        """Edges and flags of a BLOCKED task, then a look at every upstream: closes the race with one that settles
        meanwhile. Whoever dies in the middle is followed by the task's own wake-up, which links again."""
        for upstream_id in task.dependencies:
            self.tasks.add_dependent(task.tenant, upstream_id, task.id)
            upstream = self.tasks.flag_dependents(task.tenant, upstream_id)
            if upstream is not None and upstream.settled:
                for skipped in self._resolve(upstream, task.id):
                    self.run(skipped)

    def _resolve(self, upstream: Task, dependent_id: str) -> list[Task]:
        """One dependent of a settled upstream. Returns it when it is settled without having run: its own
        consequences are due too, whether it was settled here or by somebody who may have died right after."""
        now = self.clock()
        if upstream.state is State.SUCCESS:
            answer = self.tasks.discard_waiting(upstream.tenant, dependent_id, upstream.id)
            dependent = answer.task
            if isinstance(answer, Wrote) and not answer.task.waiting_for:
                dependent = self._release(answer.task, now)
        else:
            dependent = self.tasks.get(upstream.tenant, dependent_id)
            if dependent is not None and dependent.state is State.BLOCKED:
                reason = f"dependency {upstream.id} ended as {upstream.state}"
                dependent = self.tasks.skip(dependent, now=now, reason=reason).task
        return [dependent] if dependent is not None and dependent.settled and not dependent.attempt else []

    def _release(self, task: Task, now: int) -> Task | None:
        """Message first. Released meanwhile by somebody else: the write is refused, one wake-up too many is dropped."""
        self.dispatcher.dispatch(task, generation=task.generation + 1, at=max(task.available_at, now), now=now)
        return self.tasks.release(task, now=now).task
