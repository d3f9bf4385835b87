"""The calls of /workflows as values, like those in `taskyard.calls`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from taskyard.calls import Call, Request, Response, encode, names_a_key, new_key
from taskyard.errors import UnexpectedAnswer, problem
from taskyard.times import in_seconds
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


def submit(
    nodes: Nodes,
    *,
    name: str | None = None,
    deadline: float | timedelta | None = None,
    on_failure: str | None = None,
    notify: Sequence[Mapping[str, Any]] | None = None,
    idempotency_key: str | None = None,
) -> Call[Workflow]:
    named: dict[str, Any] = {
        "name": name,
        "nodes": dict(nodes) if isinstance(nodes, Mapping) else list(nodes),
        "deadlineSeconds": None if deadline is None else in_seconds(deadline),
        "onFailure": on_failure,
        "notify": None if notify is None else list(notify),
    }
    document = {field: value for field, value in named.items() if value is not None}
    return submit_body(encode(document), idempotency_key or new_key())


def submit_body(body: bytes, idempotency_key: str | None = None) -> Call[Workflow]:
    """A body as it is. Without a key of its own (argument or field) it gets a fresh one."""
    headers = {"content-type": "application/json"}
    if idempotency_key is None and not names_a_key(body):
        idempotency_key = new_key()
    if idempotency_key is not None:
        headers["idempotency-key"] = idempotency_key
    return Call(Request("POST", "/workflows", headers, body), Workflow.read)


def get(workflow_id: str, limit: int | None = None, cursor: str | None = None) -> Call[Workflow]:
    return Call(Request("GET", _path(workflow_id) + _query(limit=limit, cursor=cursor)), Workflow.read)


def page(limit: int | None = None, cursor: str | None = None) -> Call[WorkflowPage]:
    return Call(Request("GET", "/workflows" + _query(limit=limit, cursor=cursor)), WorkflowPage.read)


def cancel(workflow_id: str) -> Call[None]:
    return Call(Request("DELETE", _path(workflow_id)), lambda document: None)


def retry(workflow_id: str) -> Call[Workflow]:
    return Call(Request("POST", f"{_path(workflow_id)}/retry"), Workflow.read)


def graph(workflow_id: str, format: str = "mermaid") -> TextCall:
    if format not in FORMATS:
        raise ValueError(f"a graph is drawn as one of {', '.join(FORMATS)}, not as {format!r}")
    return TextCall(Request("GET", f"{_path(workflow_id)}/graph?format={format}"), str)


def _path(workflow_id: str) -> str:
    if not workflow_id:
        raise ValueError("an empty workflow id")
    return f"/workflows/{quote(workflow_id, safe='')}"


def _query(**named: Any) -> str:
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in named.items() if value is not None)
    return f"?{query}" if query else ""
