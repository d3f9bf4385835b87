"""Waits until a task has settled."""

from taskyard.api.tasks import calls
from taskyard.api.tasks.models import Task
from taskyard.errors import TaskyardError
from taskyard.operations.polling import read_until
from taskyard.operations.steps import Steps
from taskyard.transport.connection import Connection


class WaitTimeout(TaskyardError, TimeoutError):
    """The task had not settled within the timeout of `wait`. `task` is the task as it was last read."""

    def __init__(self, task: Task, seconds: float) -> None:
        super().__init__(f"task {task.id} is still {task.state} after {seconds:g} s")
        self.task = task


def wait(connection: Connection, task_id: str, timeout: float | None = None) -> Steps[Task]:
    """Read the task until it has settled, with growing pauses of at most 5 s. Raises WaitTimeout after `timeout`
    seconds."""
    return read_until(connection, calls.get(task_id), lambda task: task.settled, timeout, WaitTimeout)
