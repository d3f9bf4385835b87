"""What a settled task does to the tasks that depend on it, to its run and to its notifications (docs/adr/0007, 0009).

All of it is idempotent, and run again it finishes what was begun: after a crash in the middle, the redelivered wake-up
of the settled task runs all of it again. A dependent that ends without having run (SKIPPED, CANCELLED) has a wake-up of
its own, sent before its record was written. That wake-up runs the consequences of the dependent, so a chain of
thousands of skipped tasks is one step for each worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from functions.core.states import State
from functions.core.task import Task
from functions.runtime.dispatch import Dispatcher
from functions.runtime.notifications import NotificationStarter
from functions.runtime.run_consequences import RunConsequences
from functions.store.tasks import Applied, TaskStore, WriteResult


@dataclass(frozen=True)
class Consequences:
    """`clock`: epoch ms."""

    tasks: TaskStore
    dispatcher: Dispatcher
    clock: Callable[[], int]
    runs: RunConsequences
    notifications: NotificationStarter

    def run(self, task: Task) -> None:
        """`task`: settled."""
        if task.has_dependents:
            for dependent_id in self.tasks.dependents(task.tenant, task.id):
                self._resolve_dependent(task, dependent_id)
        if task.membership is not None:
            self.runs.release_dependents(task, task.membership)
            self.runs.count_node(task, task.membership)
        # Last: tasks that wait for a result do not wait for the start of a notification.
        self.notifications.start_for_task(task)

    def cancel(self, task: Task, *, reason: str) -> WriteResult:
        """Writes CANCELLED and runs the consequences. After a crash between the two, the wake-up that was sent first
        runs them."""
        now = self.clock()
        if task.has_dependents or task.membership is not None or task.notify:
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=now, now=now)
        result = self.tasks.cancel(task, now=now, reason=reason)
        if isinstance(result, Applied):
            self.run(result.task)
        return result

    def link_dependencies(self, task: Task) -> None:
        """Writes the edge of each dependency of a BLOCKED task and the flag on each upstream, which returns its state:
        an upstream that settles meanwhile is seen here or sees the edge. After a crash in the middle, the task's own
        wake-up links again."""
        for upstream_id in task.dependencies:
            self.tasks.add_dependent(task.tenant, upstream_id, task.id)
            upstream = self.tasks.flag_dependents(task.tenant, upstream_id)
            if upstream is not None and upstream.settled:
                self._resolve_dependent(upstream, task.id)

    def _resolve_dependent(self, upstream: Task, dependent_id: str) -> None:
        """Releases the dependent of a settled upstream, when it waits for nothing else; or skips it."""
        now = self.clock()
        if upstream.state is State.SUCCESS:
            result = self.tasks.discard_waiting(upstream.tenant, dependent_id, upstream.id)
            if isinstance(result, Applied) and not result.task.waiting_for:
                self._release(result.task)
            return
        dependent = self.tasks.get(upstream.tenant, dependent_id)
        if dependent is not None and dependent.state is State.BLOCKED:
            self.dispatcher.dispatch(dependent, generation=dependent.generation + 1, at=now, now=now)
            self.tasks.skip(dependent, now=now, reason=f"dependency {upstream.id} ended as {upstream.state}")

    def _release(self, task: Task) -> None:
        """Repeated while a request reschedules the task between the read and the write: the wake-up must be sent for
        the time, and to the lane, that the request was answered with."""
        while True:
            now = self.clock()
            at = max(task.available_at, now)
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=at, now=now)
            result = self.tasks.release(task, now=now)
            if isinstance(result, Applied) or result.task is None:
                return
            if result.task.state is not State.BLOCKED or result.task.waiting_for:
                return
            task = result.task
