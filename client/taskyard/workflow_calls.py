"""The calls of /workflows as values, like those in `taskyard.calls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from taskyard.calls import Call, Request, Response, encode, new_key, path_of, post_keyed, query_of
from taskyard.errors import UnexpectedAnswer, problem
from taskyard.options import WORKFLOW, WorkflowOptions, given, named
from taskyard.workflow_model import Workflow, WorkflowPage

Nodes = Sequence[Mapping[str, Any]] | Mapping[str, Mapping[str, Any]]
FORMATS = ("mermaid", "dot", "svg")


@dataclass(frozen=True, slots=True)
class TextCall(Call[str]):
    """A call whose answer is text, not JSON."""

    def result(self, response: Response) -> str:
        if response.status >= 400:
            raise problem(response.status, response.body)
        if response.status >= 300:
            raise UnexpectedAnswer(response.status, f"a redirect to {response.headers.get('location')}")
        return response.body.decode()


def submit(nodes: Nodes, *, idempotency_key: str | None = None, **options: Unpack[WorkflowOptions]) -> Call[Workflow]:
    listed = dict(nodes) if isinstance(nodes, Mapping) else list(nodes)
    document = given({"nodes": listed} | named(options, WORKFLOW))
    return submit_body(encode(document), idempotency_key or new_key())


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Workflow]:
    return post_keyed("/workflows", body, idempotency_key, Workflow.read)


def get(workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Call[Workflow]:
    return Call(Request("GET", path_of("workflows", workflow_id) + query_of(limit=limit, cursor=cursor)), Workflow.read)


def page(limit: int | None = None, cursor: str | None = None) -> Call[WorkflowPage]:
    return Call(Request("GET", "/workflows" + query_of(limit=limit, cursor=cursor)), WorkflowPage.read)


def cancel(workflow_id: str) -> Call[None]:
    return Call(Request("DELETE", path_of("workflows", workflow_id)), lambda document: None)


def retry(workflow_id: str) -> Call[Workflow]:
    return Call(Request("POST", f"{path_of('workflows', workflow_id)}/retry"), Workflow.read)


def graph(workflow_id: str, format: str = "mermaid") -> TextCall:
    if format not in FORMATS:
        raise ValueError(f"a graph is drawn as one of {', '.join(FORMATS)}, not as {format!r}")
    return TextCall(Request("GET", f"{path_of('workflows', workflow_id)}/graph?format={format}"), str)
