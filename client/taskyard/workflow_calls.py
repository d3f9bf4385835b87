"""The calls of /workflows as values, like those in `taskyard.calls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from taskyard.calls import Call, Request, Response, path_of, post, post_keyed, query_of
from taskyard.errors import UnexpectedAnswer
from taskyard.idempotency import key_header
from taskyard.options import WORKFLOW, WorkflowOptions, named
from taskyard.workflow_model import Workflow, WorkflowPage

Nodes = Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]
FORMATS = ("mermaid", "dot", "svg")


@dataclass(frozen=True, slots=True)
class TextCall(Call[str]):
    """A call whose answer is text, not JSON."""

    def answer(self, response: Response) -> str:
        if response.unreadable is not None:
            raise UnexpectedAnswer(response.status, response.unreadable)
        return response.body.decode("utf-8", "replace")


def submit(nodes: Nodes, *, idempotency_key: str | None = None, **options: Unpack[WorkflowOptions]) -> Call[Workflow]:
    listed = dict(nodes) if isinstance(nodes, Mapping) else list(nodes)
    return post("/workflows", {"nodes": listed} | named(options, WORKFLOW), Workflow.read, idempotency_key)


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Workflow]:
    return post_keyed("/workflows", body, idempotency_key, Workflow.read)


def get(workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Call[Workflow]:
    return Call(Request("GET", path_of("workflows", workflow_id) + query_of(limit=limit, cursor=cursor)), Workflow.read)


def page(limit: int | None = None, cursor: str | None = None) -> Call[WorkflowPage]:
    return Call(Request("GET", "/workflows" + query_of(limit=limit, cursor=cursor)), WorkflowPage.read)


def cancel(workflow_id: str) -> Call[None]:
    return Call(Request("DELETE", path_of("workflows", workflow_id)), lambda document: None)


def retry(workflow_id: str) -> Call[Workflow]:
    return Call(Request("POST", f"{path_of('workflows', workflow_id)}/retry", key_header()), Workflow.read)


def graph(workflow_id: str, format: str = "mermaid") -> TextCall:
    if format not in FORMATS:
        raise ValueError(f"a graph is drawn as one of {', '.join(FORMATS)}, not as {format!r}")
    return TextCall(Request("GET", f"{path_of('workflows', workflow_id)}/graph?format={format}"), str)
