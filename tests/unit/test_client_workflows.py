"""The client's workflows: calls, files, and the command."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from taskyard import AsyncTaskyard, Conflict, Taskyard, WorkflowWaitTimeout
from taskyard.api.workflows.models import Node, Workflow
from taskyard.cli import main
from taskyard.cli.text import console_for
from taskyard.cli.workflow import live_view
from taskyard.files import workflow_file

from tests.unit.client_fake import CREATED, URL, Sleeper, problem

EXAMPLE = Path(__file__).parents[2] / "events" / "workflows" / "orders.yaml"


def node(name: str, state: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"w1-{name}", "name": name, "type": "X", "state": state, "attempt": 1, "maxAttempts": 1} | fields


class FakeWorkflows:
    """One workflow, w1, that ends after so many looks. `requests`: what came, in order."""

    def __init__(self, looks: int = 2, ends: str = "SUCCESS", nodes: int = 3) -> None:
        self.looks, self.ends = looks, ends
        self.nodes = [node(f"n{at}", "BLOCKED") for at in range(nodes)]
        self.requests: list[httpx.Request] = []

    def document(self) -> dict[str, Any]:
        state = self.ends if self.looks <= 0 else "RUNNING"
        return {
            "id": "w1", "name": "orders", "state": state, "round": 1, "nodeCount": len(self.nodes), "edgeCount": 2,
            "counts": {"OPEN": len(self.nodes)}, "createdAt": CREATED, "deadlineSeconds": 60, "onFailure": "continue",
        }  # fmt: skip

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        parts = request.url.path.strip("/").split("/")
        if parts == ["workflows"]:
            if request.method == "POST":
                return httpx.Response(201, json=self.document())
            return httpx.Response(200, json={"workflows": [self.document()], "cursor": None})
        if request.method == "DELETE":
            return httpx.Response(204) if self.looks > 0 else problem(409, "Not in this state")
        if parts[-1] == "graph":
            return httpx.Response(200, text="flowchart LR\n", headers={"content-type": "text/vnd.mermaid"})
        if parts[-1] == "retry":
            return httpx.Response(202, json=self.document() | {"round": 2})
        limit, start = int(request.url.params.get("limit", 20)), int(request.url.params.get("cursor", 0))
        if start == 0 and limit == 1:
            self.looks -= 1
            for entry in self.nodes:
                entry["state"] = self.ends if self.looks <= 0 else "RUNNING"
        more = start + limit < len(self.nodes)
        page = {"nodes": self.nodes[start : start + limit], "cursor": str(start + limit) if more else None}
        return httpx.Response(200, json=self.document() | page)


def connected(api: FakeWorkflows, sleeper: Sleeper) -> Taskyard:
    return Taskyard(URL, "none", transport=httpx.MockTransport(api), sleep=sleeper, clock=sleeper.clock)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(api: FakeWorkflows, *argv: str) -> tuple[int, str, str]:
        code = main(argv, lambda url, auth, tenant: connected(api, Sleeper()))
        return code, *capsys.readouterr()

    return run


# -- the SDK


def test_workflow_submit_has_a_key_and_wait_returns_its_end() -> None:
    api, sleeper = FakeWorkflows(looks=3), Sleeper()
    with connected(api, sleeper) as yard:
        made = yard.workflows.submit({"a": {"type": "X"}}, name="orders", deadline=60, on_failure="cancel")
        done = yard.workflows.wait(made.id)
        assert [one.name for one in yard.workflows.nodes(made.id)] == ["n0", "n1", "n2"]
        assert yard.workflows.graph(made.id) == "flowchart LR\n"
        assert [one.id for one in yard.workflows.list()] == ["w1"]
        assert yard.workflows.retry(made.id).round == 2
        with pytest.raises(Conflict):
            yard.workflows.cancel(made.id)
    assert (done.ended, done.succeeded, len(sleeper.pauses)) == (True, True, 2)
    assert api.requests[0].headers["idempotency-key"]
    assert json.loads(api.requests[0].content) == {
        "name": "orders", "nodes": {"a": {"type": "X"}}, "deadlineSeconds": 60, "onFailure": "cancel",
    }  # fmt: skip


def test_workflow_wait_ends_at_its_timeout() -> None:
    with connected(FakeWorkflows(looks=10**6), Sleeper()) as yard, pytest.raises(WorkflowWaitTimeout) as caught:
        yard.workflows.wait("w1", timeout=3)
    assert caught.value.workflow.state == "RUNNING"


def test_workflow_nodes_are_read_page_by_page() -> None:
    api = FakeWorkflows(nodes=250)
    with connected(api, Sleeper()) as yard:
        assert len(list(yard.workflows.nodes("w1"))) == 250
    assert len(api.requests) == 3


def test_async_client_has_the_same_workflow_methods() -> None:
    async def run() -> tuple[bool, int, str]:
        api, sleeper = FakeWorkflows(), Sleeper()
        async with AsyncTaskyard(
            URL, "none", transport=httpx.MockTransport(api), sleep=sleeper.awaited, clock=sleeper.clock
        ) as yard:
            made = await yard.workflows.submit([{"name": "a", "type": "X"}])
            done = await yard.workflows.wait(made.id)
            nodes = [one async for one in yard.workflows.nodes(made.id)]
            listed = [one.id async for one in yard.workflows.list(limit=5)]
            return done.succeeded, len(nodes), listed[0]

    assert asyncio.run(run()) == (True, 3, "w1")


# -- files


def test_example_file_has_ten_nodes_a_fan_out_and_a_fan_in() -> None:
    graph = workflow_file.dependencies(workflow_file.read(str(EXAMPLE)))
    assert len(graph) == 10
    assert len(graph["report"]) == 5
    assert sum(waits == ["check"] for waits in graph.values()) == 5


def test_workflow_file_in_yaml_has_the_values_of_the_same_json(tmp_path: Path) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text(
        "nodes:\n  a: {type: X, runAt: 2026-02-01T10:00:00Z,\n"
        "      payload: {on: yes, no: [off, true, ~, 1, -1.5e3, 12:30, 007]}}\n"
    )
    assert workflow_file.read(str(file))["nodes"]["a"] == {
        "type": "X",
        "runAt": "2026-02-01T10:00:00Z",
        "payload": {"on": "yes", "no": ["off", True, None, 1, -1500.0, "12:30", "007"]},
    }


def test_node_names_in_yaml_are_text_also_in_dependencies(tmp_path: Path, shell: Any) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text(
        "base: &x {type: X}\nnodes:\n  1: *x\n  on: {<<: *x, dependsOn: [1]}\n  z: {<<: *x, depends_on: [on]}"
    )
    nodes = workflow_file.read(str(file))["nodes"]
    assert {name: node.get("dependsOn", node.get("depends_on")) for name, node in nodes.items()} == {
        "1": None,
        "on": ["1"],
        "z": ["on"],
    }
    file.write_text("nodes: [{name: 1, type: X}, {name: b, type: X, dependsOn: [1]}]")
    assert workflow_file.dependencies(workflow_file.read(str(file))) == {"1": [], "b": ["1"]}


def test_graph_beyond_the_limit_of_mermaid_prints_a_warning(tmp_path: Path, shell: Any) -> None:
    file = tmp_path / "dag.json"
    nodes = {"a": {"type": "X"}} | {f"n{at}": {"type": "X", "dependsOn": ["a"]} for at in range(501)}
    file.write_text(json.dumps({"nodes": nodes}))
    code, out, err = shell(FakeWorkflows(), "workflow", "graph", str(file))
    assert (code, out.count("-->")) == (0, 501)
    assert "--format dot" in err
    assert shell(FakeWorkflows(), "workflow", "graph", str(file), "--format", "dot")[2] == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.yaml", "nodes:\n  a: {type: X}\n  a: {type: Y}\n", "'a' is given twice"),
        ("d.json", '{"nodes": {"a": {}, "a": {}}}', "'a' is given twice"),
        ("d.yaml", "nodes: [", "while parsing"),
        ("d.json", "{", "Expecting property name"),
        ("d.yaml", "tasks: []", "is not a workflow"),
        ("d.yaml", "7", "is not a workflow"),
    ],
)
def test_invalid_workflow_file_is_refused_without_a_request(
    tmp_path: Path, shell: Any, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    api = FakeWorkflows()
    code, _, err = shell(api, "workflow", "run", str(tmp_path / name))
    assert (code, api.requests) == (2, [])
    assert said in err


def test_graph_of_a_file_is_drawn_without_a_request(shell: Any) -> None:
    api = FakeWorkflows()
    code, out, _ = shell(api, "workflow", "graph", str(EXAMPLE))
    assert (code, api.requests) == (0, [])
    assert out.startswith("flowchart LR\n")
    assert out.count("-->") == 13
    assert shell(api, "workflow", "graph", str(EXAMPLE), "--format", "dot")[1].startswith("digraph")
    assert shell(api, "workflow", "graph", str(EXAMPLE), "--format", "svg")[0] == 2


# -- the command


def test_workflow_run_follows_the_nodes_and_exits_by_the_final_state(shell: Any) -> None:
    code, out, _ = shell(FakeWorkflows(), "workflow", "run", str(EXAMPLE), "--key", "k")
    assert code == 0
    assert "w1-n0  RUNNING  n0" in out
    assert out.strip().splitlines()[-1].startswith("w1  SUCCESS  orders")
    assert shell(FakeWorkflows(ends="FAILED"), "workflow", "run", str(EXAMPLE))[0] == 1


def test_workflow_run_without_wait_prints_the_workflow(shell: Any) -> None:
    api = FakeWorkflows()
    code, out, _ = shell(api, "workflow", "run", str(EXAMPLE), "--no-wait", "--json")
    assert (code, json.loads(out)["id"], len(api.requests)) == (0, "w1", 1)
    assert shell(api, "workflow", "retry", "w1")[0] == 0


def test_workflow_run_of_many_nodes_follows_the_counts_only(shell: Any) -> None:
    api = FakeWorkflows(nodes=501)
    code, out, _ = shell(api, "workflow", "run", str(EXAMPLE))
    assert code == 0
    assert "501 OPEN" in out
    assert len(api.requests) == 3


def test_workflow_get_list_cancel_and_graph_print_their_answers(shell: Any) -> None:
    api = FakeWorkflows(looks=9)
    code, out, _ = shell(api, "workflow", "get", "w1")
    assert code == 0
    assert "deadline      60 s after its start" in out
    assert shell(api, "workflow", "list")[1].startswith("w1  RUNNING  orders")
    assert shell(api, "workflow", "cancel", "w1")[0] == 0
    assert shell(FakeWorkflows(looks=0), "workflow", "cancel", "w1", "--json")[0] == 4
    assert shell(api, "workflow", "graph", "w1")[1] == "flowchart LR\n"


def test_live_view_of_many_nodes_shows_the_important_ones() -> None:
    nodes = [Node.from_json(node(f"n{at}", "SUCCESS")) for at in range(60)]
    nodes[55] = Node.from_json(node("late", "RETRY", error="no luck", errorType="Unlucky"))
    found = Workflow(id="w1", name="x", state="RUNNING", node_count=60, counts={"SUCCESS": 59, "RETRY": 1})
    console = console_for()
    with console.capture() as captured:
        console.print(live_view(found, nodes, 200))
    assert "late" in captured.get()
    assert "and 20 SUCCESS" in captured.get()
