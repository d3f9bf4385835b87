"""The methods of `Taskyard.workflows` and `AsyncTaskyard.workflows`."""

from taskyard.api.workflows import calls
from taskyard.api.workflows.models import Node, Workflow
from taskyard.api.workflows.waiting import wait
from taskyard.operations.methods import (
    AsyncMethods,
    BlockingMethods,
    CallMethod,
    PagesMethod,
    StepsMethod,
)
from taskyard.operations.paging import Pages
from taskyard.transport.connection import Connection


def list_workflows(connection: Connection, limit: int | None = None) -> Pages[Workflow]:
    """Newest first, at most `limit` in all."""
    return Pages(connection, calls.page, lambda page: page.workflows, limit)


def list_nodes(connection: Connection, workflow_id: str) -> Pages[Node]:
    """All nodes, in the order of the submit."""
    return Pages(connection, lambda size, cursor: calls.get(workflow_id, size, cursor), lambda workflow: workflow.nodes)


class WorkflowMethods:
    submit = CallMethod(calls.submit)
    submit_body = CallMethod(calls.submit_body)
    get = CallMethod(calls.get)
    nodes = PagesMethod(list_nodes)
    page = CallMethod(calls.page)
    list = PagesMethod(list_workflows)
    cancel = CallMethod(calls.cancel)
    retry = CallMethod(calls.retry)
    graph = CallMethod(calls.graph)
    wait = StepsMethod(wait)


class Workflows(WorkflowMethods, BlockingMethods):
    """DAGs of tasks: submit, read, wait, cancel, retry, draw."""


class AsyncWorkflows(WorkflowMethods, AsyncMethods):
    """`Workflows` with `await`."""
