"""Waits until a workflow has ended."""

from taskyard.api.workflows import calls
from taskyard.api.workflows.models import Workflow
from taskyard.errors import TaskyardError
from taskyard.operations.polling import read_until
from taskyard.operations.steps import Steps
from taskyard.transport.connection import Connection


class WorkflowWaitTimeout(TaskyardError, TimeoutError):
    """The workflow had not ended within the timeout of `wait`. `workflow` is the workflow as it was last read."""

    def __init__(self, workflow: Workflow, seconds: float) -> None:
        super().__init__(f"workflow {workflow.id} is still {workflow.state} after {seconds:g} s")
        self.workflow = workflow


def wait(connection: Connection, workflow_id: str, timeout: float | None = None) -> Steps[Workflow]:
    """Read the workflow until it has ended, with growing pauses of at most 5 s. Raises WorkflowWaitTimeout after
    `timeout` seconds."""
    call = calls.get(workflow_id, limit=1)
    return read_until(connection, call, lambda workflow: workflow.ended, timeout, WorkflowWaitTimeout)
