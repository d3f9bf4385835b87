"""Calls of /workflows, and their options."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, TypedDict, Unpack

from taskyard.api.notifications import Targets, targets_to_json
from taskyard.api.request_fields import FieldMap, same_value, to_fields
from taskyard.api.requests import path_of, post, post_body, query_of
from taskyard.api.workflows.models import Workflow, WorkflowPage
from taskyard.times import in_seconds
from taskyard.transport.call import Call, Request, TextCall
from taskyard.transport.idempotency_keys import key_header

Nodes = Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]
GRAPH_FORMATS = ("mermaid", "dot", "svg")


class WorkflowOptions(TypedDict, total=False):
    """deadline: from its start. on_failure: continue or cancel. notify: targets that are notified when it has ended."""

    name: str | None
    deadline: float | timedelta | None
    on_failure: str | None
    notify: Targets | None


WORKFLOW_FIELDS: FieldMap = {
    "name": ("name", same_value),
    "deadline": ("deadlineSeconds", in_seconds),
    "on_failure": ("onFailure", same_value),
    "notify": ("notify", targets_to_json),
}


def submit(nodes: Nodes, *, idempotency_key: str | None = None, **options: Unpack[WorkflowOptions]) -> Call[Workflow]:
    """Submit a workflow. nodes: as in POST /workflows, a list with names or a mapping by name; each node has `type`,
    `payload`, `dependsOn`, and the other fields of a task. Options: name, deadline, on_failure, notify. Raises
    InvalidRequest with every reason; then nothing is stored."""
    listed = dict(nodes) if isinstance(nodes, Mapping) else list(nodes)
    return post(
        "/workflows", {"nodes": listed} | to_fields(options, WORKFLOW_FIELDS), Workflow.from_json, idempotency_key
    )


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Workflow]:
    """Submit a JSON body as it is, whatever names its fields have."""
    return post_body("/workflows", body, idempotency_key, Workflow.from_json)


def get(workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Call[Workflow]:
    """Read a workflow with one page of its nodes. Raises NotFound."""
    return Call(
        Request("GET", path_of("workflows", workflow_id) + query_of(limit=limit, cursor=cursor)), Workflow.from_json
    )


def page(limit: int | None = None, cursor: str | None = None) -> Call[WorkflowPage]:
    """One page of a listing, newest first."""
    return Call(Request("GET", "/workflows" + query_of(limit=limit, cursor=cursor)), WorkflowPage.from_json)


def cancel(workflow_id: str) -> Call[None]:
    """Cancel the nodes that have not started; cancelling again is a success. Raises Conflict when the workflow has
    ended otherwise."""
    return Call(Request("DELETE", path_of("workflows", workflow_id)), lambda document: None)


def retry(workflow_id: str) -> Call[Workflow]:
    """Run the nodes again that did not succeed. Raises Conflict while the workflow runs, and when all nodes
    succeeded."""
    return Call(Request("POST", f"{path_of('workflows', workflow_id)}/retry", key_header()), Workflow.from_json)


def graph(workflow_id: str, format: str = "mermaid") -> TextCall:
    """The picture of a workflow, coloured by state. format: mermaid, dot or svg."""
    if format not in GRAPH_FORMATS:
        raise ValueError(f"a graph is drawn as one of {', '.join(GRAPH_FORMATS)}, not as {format!r}")
    return TextCall(Request("GET", f"{path_of('workflows', workflow_id)}/graph?format={format}"), str)
