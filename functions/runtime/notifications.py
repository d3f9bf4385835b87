"""Starts one Step Functions execution for each notification of an event (docs/adr/0009).

The name of an execution follows from task or run, so consequences that run again start nothing twice. The executions
start before the message of the wake-up is deleted: after a crash, the redelivered message starts what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from functions.aws.executions import Executions
from functions.core.task import Task
from functions.core.workflows.run import Run

if TYPE_CHECKING:
    from functions.core.notifications.events import Notification


class NotificationStarter:
    """Imports what events are made of when the first one is: most tasks have no `notify`."""

    def __init__(self, executions: Executions, machine_arn: str) -> None:
        self.executions = executions
        self.machine_arn = machine_arn

    def start_for_task(self, task: Task) -> None:
        """`task`: settled. Starts nothing when it has no `notify`."""
        if task.notify:
            from functions.core.notifications.events import task_notifications

            self._start(task_notifications(task))

    def start_for_run(self, run: Run) -> None:
        """`run`: ended. Starts nothing when it has no `notify`."""
        if run.notify:
            from functions.core.notifications.events import run_notifications

            self._start(run_notifications(run))

    def _start(self, notifications: Iterable[Notification]) -> None:
        for notification in notifications:
            self.executions.start(self.machine_arn, notification.name, {"notification": notification.to_input()})
