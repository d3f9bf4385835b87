"""Starts one execution for each notification that a terminal event owes (docs/adr/0009).

Idempotent by name: whoever runs the consequences again starts nothing twice. Started before the wake-up's message is
deleted, so a notification that was owed is on its way, or is started by the redelivered message.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from functions.aws.executions import Executions
from functions.core.notifications.events import Notification, run_notifications, task_notifications
from functions.core.task import Task
from functions.core.workflows.run import Run


@dataclass(frozen=True)
class Notifications:
    executions: Executions
    machine_arn: str

    def start_for_task(self, task: Task) -> None:
        """Of a settled task. Nothing for one without `notify`."""
        if task.notify:
            self._start(task_notifications(task))

    def start_for_run(self, run: Run) -> None:
        """Of a run that has ended."""
        if run.notify:
            self._start(run_notifications(run))

    def _start(self, notifications: Iterable[Notification]) -> None:
        for note in notifications:
            self.executions.start(self.machine_arn, note.name, {"notification": note.to_input()})
