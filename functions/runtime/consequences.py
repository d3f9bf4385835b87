"""What a settled task does to the tasks that wait for it, and whom it tells (design §4, docs/adr/0007, 0009).

All of it is idempotent, and run again it finishes what was begun: whoever dies in the middle is followed by the
redelivered wake-up of the settled task, which runs all of it again. A dependent that ends without having run (skipped,
cancelled) has a wake-up of its own, sent before it was written like any other: its consequences are that one's, so a
cascade through thousands is no longer for anybody than one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.core.states import State
from functions.core.task import Task
from functions.runtime.dispatch import Dispatcher
from functions.runtime.notifications import Notifications
from functions.runtime.run_consequences import RunConsequences
from functions.store.tasks import Applied, TaskStore, WriteResult


@dataclass(frozen=True)
class Consequences:
    """`clock`: epoch ms."""

    tasks: TaskStore
    dispatcher: Dispatcher
    clock: Callable[[], int]
    runs: RunConsequences
    notifications: Notifications

    def run(self, task: Task) -> None:
        """Of a settled task."""
        if task.has_dependents:
            for dependent in self.tasks.dependents(task.tenant, task.id):
                self._resolve(task, dependent)
        if task.membership is not None:
            self.runs.settle(task, task.membership)
            self.runs.count(task, task.membership)
        # Last: who waits for a result waits for nobody's mail.
        self.notifications.start_for_task(task)

    def cancel(self, task: Task, *, reason: str) -> WriteResult:
        """CANCELLED, with its consequences. A crash after the write is followed by the wake-up sent before it."""
        now = self.clock()
        if task.has_dependents or task.membership is not None or task.notify:
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=now, now=now)
        answer = self.tasks.cancel(task, now=now, reason=reason)
        if isinstance(answer, Applied):
            self.run(answer.task)
        return answer

    def link_dependencies(self, task: Task) -> None:
        """Edges and flags of a BLOCKED task, then a look at every upstream: closes the race with one that settles
        meanwhile. Whoever dies in the middle is followed by the task's own wake-up, which links again."""
        for upstream_id in task.dependencies:
            self.tasks.add_dependent(task.tenant, upstream_id, task.id)
            upstream = self.tasks.flag_dependents(task.tenant, upstream_id)
            if upstream is not None and upstream.settled:
                self._resolve(upstream, task.id)

    def _resolve(self, upstream: Task, dependent_id: str) -> None:
        """One dependent of a settled upstream."""
        now = self.clock()
        if upstream.state is State.SUCCESS:
            answer = self.tasks.discard_waiting(upstream.tenant, dependent_id, upstream.id)
            if isinstance(answer, Applied) and not answer.task.waiting_for:
                self._release(answer.task)
            return
        dependent = self.tasks.get(upstream.tenant, dependent_id)
        if dependent is not None and dependent.state is State.BLOCKED:
            self.dispatcher.dispatch(dependent, generation=dependent.generation + 1, at=now, now=now)
            self.tasks.skip(dependent, now=now, reason=f"dependency {upstream.id} ended as {upstream.state}")

    def _release(self, task: Task) -> None:
        """Again as long as its caller moves it between our read and our write: the wake-up has to be there at the
        time, and in the lane, that the caller was answered with."""
        while True:
            now = self.clock()
            at = max(task.available_at, now)
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=at, now=now)
            answer = self.tasks.release(task, now=now)
            if isinstance(answer, Applied) or answer.task is None:
                return
            if answer.task.state is not State.BLOCKED or answer.task.waiting_for:
                return
            task = answer.task
