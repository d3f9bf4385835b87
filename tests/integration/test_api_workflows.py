"""POST /workflows and what follows it: accepted or refused as a whole, looked at, cancelled, run again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest

from functions.core.errors import StoreUnavailable
from functions.core.run import Run
from functions.core.task import keyed_id
from functions.runtime.notifications import Notifications
from functions.store.runs import RunStore
from functions.workflow import handler as workflow
from tests.integration.api import Answer, Api
from tests.integration.cloud import TENANT
from tests.integration.quick import Killed, Quick
from tests.integration.workflows import FAILS, begin, step

MESSAGE = {"type": "DELAYED_MESSAGE", "payload": {"message": "hello"}}


def node(name: str, *depends_on: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **MESSAGE, "dependsOn": list(depends_on), **fields}


DIAMOND = [node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c")]


@pytest.fixture
def yard(quick: Quick) -> Api:
    return Api(quick)


@pytest.fixture
def submit(yard: Api) -> Callable[..., Any]:
    def submitted(nodes: Any = DIAMOND, **fields: Any) -> Any:
        answer = yard("POST", "/workflows", {"nodes": nodes, **fields})
        assert answer.status in (200, 201), answer.body
        return answer.body

    return submitted


def run_of(workflow_id: str) -> Run:
    found = workflow.assembled().runs.get(TENANT, workflow_id)
    assert found is not None
    return found


def finished(quick: Quick, workflow_id: str) -> dict[str, Any]:
    run = run_of(workflow_id)
    begin(quick, run, token=f"round {run.round}")
    quick.work_off()
    return step(quick, "finish", run, outcome=quick.told[-1][1]["outcome"])


def refused(answer: Answer, quick: Quick) -> dict[str, str]:
    """Field → message, of a request that left nothing behind."""
    assert answer.status == 422, answer.body
    assert list(quick.table.items()) == []
    assert (quick.started, quick.documents, quick.messages) == ([], {}, {})
    return answer.fields


# -- accepted


def test_a_workflow_is_accepted_and_told_where_it_is(yard: Api, quick: Quick) -> None:
    answer = yard("POST", "/workflows", {"name": "nightly", "nodes": DIAMOND, "deadlineSeconds": 60})
    assert answer.status == 201
    run = answer.body
    assert answer.headers["location"] == f"/workflows/{run['id']}"
    assert (run["name"], run["state"], run["nodeCount"], run["edgeCount"]) == ("nightly", "PENDING", 4, 4)
    assert (run["deadlineSeconds"], run["onFailure"], run["counts"]) == (60, "continue", {"OPEN": 4})
    given = {"tenant": TENANT, "run": run["id"], "round": 1, "deadlineSeconds": 60}
    assert quick.started == [(f"{run['id']}-1", given)]


def test_fields_have_their_other_names_and_nodes_may_be_a_map(yard: Api, quick: Quick) -> None:
    body = {
        "nodes": {
            "first": {
                "task_name": "DELAYED_MESSAGE",
                "payload": {"message": "x"},
                "max_retries": 1,
                "delay_seconds": 5,
            },
            "second": {**MESSAGE, "depends_on": ["first"], "priority": "high", "tags": {"a": "b"}},
        },
        "deadline_seconds": 10,
        "on_failure": "cancel",
    }
    run = yard("POST", "/workflows", body).body
    assert (run["deadlineSeconds"], run["onFailure"]) == (10, "cancel")
    begin(quick, run_of(run["id"]))
    first, second = (yard.get(f"{run['id']}-{at}") for at in (0, 1))
    assert (first["state"], first["maxRetries"], second["lane"], second["tags"]) == ("PENDING", 1, "high", {"a": "b"})


def test_the_execution_is_started_before_the_record_is_written(yard: Api, quick: Quick) -> None:
    """A submit that dies between them has told nobody of a run; sent again, it is accepted."""
    put = quick.table.call

    def dies(operation: str, arguments: dict[str, Any]) -> Any:
        if operation == "put_item" and arguments["Item"]["sk"]["S"] == "WORKFLOW":
            raise Killed
        return put(operation, arguments)

    quick.table.call = dies  # type: ignore[method-assign]
    body = {"nodes": DIAMOND, "idempotencyKey": "k"}
    with pytest.raises(Killed):
        yard("POST", "/workflows", body)
    quick.table.call = put  # type: ignore[method-assign]
    ((first, _),) = quick.started
    assert yard("GET", f"/workflows/{first.removesuffix('-1')}").status == 404
    # Its execution gave up waiting for the record: the name is used up.
    quick.ended.add(first)
    again = yard("POST", "/workflows", body)
    assert again.status == 201
    assert [name for name, _ in quick.started] == [first, f"{first}-2"]


def test_an_execution_that_is_about_to_give_up_is_not_relied_on(
    yard: Api, quick: Quick, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has looked for the record in vain for a minute, and may end before this one is written."""
    body = {"nodes": DIAMOND, "idempotencyKey": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "create", Mock(side_effect=StoreUnavailable("DynamoDB", "x")))
        assert yard("POST", "/workflows", body).status == 503
    quick.clock.advance(40)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "create", Mock(side_effect=StoreUnavailable("DynamoDB", "x")))
        assert yard("POST", "/workflows", body).status == 503
    assert len(quick.started) == 1
    quick.clock.advance(40)
    assert yard("POST", "/workflows", body).status == 201
    first, second = (name for name, _ in quick.started)
    assert second == f"{first}-2"


def test_an_execution_that_finds_no_record_asks_to_be_tried_again(quick: Quick) -> None:
    with pytest.raises(Exception) as caught:
        quick.invoke("workflow", {"step": "start", "tenant": TENANT, "run": "0" * 26, "round": 1})
    assert type(caught.value).__name__ == "NotLandedError"


def test_one_key_is_one_workflow_and_another_body_under_it_is_refused(yard: Api, quick: Quick, submit) -> None:
    first = submit(idempotencyKey="key")
    spelled = [{**one, "depends_on": one["dependsOn"]} for one in DIAMOND]
    for one in spelled:
        del one["dependsOn"]
    again = yard("POST", "/workflows", {"nodes": spelled}, headers={"Idempotency-Key": "key"})
    assert (again.status, again.body["id"]) == (200, first["id"])
    assert len(quick.started) == 1
    other = yard("POST", "/workflows", {"nodes": DIAMOND[:1], "idempotencyKey": "key"})
    assert (other.status, other.body["workflowId"]) == (422, first["id"])
    assert other.body["type"].endswith("idempotency-key-reused")


def test_a_task_of_the_same_key_is_another_thing(yard: Api, submit) -> None:
    assert submit(idempotencyKey="same")["id"] != keyed_id(TENANT, "same")


# -- refused


@pytest.mark.parametrize(
    ("nodes", "field", "message"),
    [
        ([node("a", "c"), node("b", "a"), node("c", "b")], "nodes", "the nodes wait for each other in a cycle: "),
        ([node("a", "a")], "nodes", "the nodes wait for each other in a cycle: a → a"),
        ([node("a"), node("b", "z")], "nodes[1].dependsOn[0]", "no node is named 'z'"),
        ([node("a"), node("b"), node("a")], "nodes[2].name", "'a' is the name of nodes[0] already"),
        ([node("a"), {"name": "b", "type": "NO_SUCH"}], "nodes[1].type", "is not a known task type; known: "),
        ([node("a", payload={"message": {}})], "nodes[0].payload.message", "Input should be a valid string"),
        ([node("a", extra=1)], "nodes[0].extra", "is not a known field"),
        ([{**MESSAGE}], "nodes[0].name", "is required"),
        ([7], "nodes[0]", "must be an object"),
        ([node("a", runAt="2026-02-01T10:00:00Z", delaySeconds=1)], "nodes[0].delaySeconds", "give either this or"),
        ({"x": node("y")}, "nodes.x.name", "is not the name that it stands under"),
        ({"x": {**MESSAGE, "dependsOn": ["q"]}}, "nodes.x.dependsOn[0]", "no node is named 'q'"),
        ([], "nodes", "should have at least 1 item"),
        ({}, "nodes", "should have at least 1 item"),
        ("a", "nodes", "should be a valid list"),
        ([node(f"n{at}") for at in range(10_001)], "nodes", "10001 nodes are more than the 10000"),
    ],
)
def test_what_is_wrong_with_the_nodes_is_said(yard: Api, quick: Quick, nodes: Any, field: str, message: str) -> None:
    assert message in refused(yard("POST", "/workflows", {"nodes": nodes}), quick)[field]


def test_the_cycle_is_told_as_its_path(yard: Api, quick: Quick) -> None:
    nodes = [node("root"), node("a", "root", "c"), node("b", "a"), node("c", "b"), node("behind", "c")]
    said = refused(yard("POST", "/workflows", {"nodes": nodes}), quick)["nodes"]
    path = said.partition(": ")[2].split(" → ")
    assert path[0] == path[-1]
    assert set(path) == {"a", "b", "c"}
    waits_for = {one["name"]: one["dependsOn"] for one in nodes}
    assert all(before in waits_for[after] for before, after in pairwise(path))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"deadlineSeconds": 0}, "deadlineSeconds"),
        ({"deadline_seconds": 366 * 86_400}, "deadline_seconds"),
        ({"onFailure": "stop"}, "onFailure"),
        ({"notify": [{}]}, "notify"),
        ({"colour": "red"}, "colour"),
        ({"name": ""}, "name"),
    ],
)
def test_what_is_wrong_with_the_workflow_is_said(yard: Api, quick: Quick, fields: Any, field: str) -> None:
    answer = yard("POST", "/workflows", {"nodes": DIAMOND, **fields})
    assert any(named.startswith(field) for named in refused(answer, quick))


def test_all_reasons_are_given_at_once(yard: Api, quick: Quick) -> None:
    nodes = [node("a", payload={}), node("b", "z"), node("b"), {"name": "c", "type": "NO"}]
    found = refused(yard("POST", "/workflows", {"nodes": nodes, "onFailure": 3}), quick)
    assert set(found) >= {
        "onFailure",
        "nodes[0].payload.message",
        "nodes[1].dependsOn[0]",
        "nodes[2].name",
        "nodes[3].type",
    }


def test_a_definition_of_300_kilobytes_is_accepted_and_one_above_the_limit_is_not(yard: Api, quick: Quick) -> None:
    large = [node(f"n{at}", payload={"message": "x" * 1000}) for at in range(300)]
    run = yard("POST", "/workflows", {"nodes": large})
    assert run.status == 201
    assert [name.rpartition("/")[0] for name in quick.documents] == [f"{TENANT}/{run.body['id']}"]
    begin(quick, run_of(run.body["id"]))
    assert yard.get(f"{run.body['id']}-299")["payload"]["message"] == "x" * 1000
    above = yard("POST", "/workflows", {"nodes": [node("a", payload={"message": "x" * 5_300_000})]})
    assert (above.status, above.body["type"]) == (413, "urn:taskyard:problem:payload-too-large")


def test_ten_thousand_nodes_and_a_hundred_thousand_edges_are_accepted(yard: Api, quick: Quick) -> None:
    nodes = [
        {"name": f"n{at}", "type": "DELAYED_MESSAGE", "payload": {"message": "x"}}
        | ({"dependsOn": [f"n{at - back}" for back in range(1, 11)]} if at >= 10 else {})
        for at in range(10_000)
    ]
    answer = yard("POST", "/workflows", {"nodes": nodes})
    assert (answer.status, answer.body["nodeCount"], answer.body["edgeCount"]) == (201, 10_000, 99_900)
    nodes[9_999]["dependsOn"] = [f"n{at}" for at in range(200)]
    more = yard("POST", "/workflows", {"nodes": nodes})
    assert "100090 edges are more than the 100000" in more.fields["nodes"]


# -- looked at


def test_state_counts_and_nodes_by_page(yard: Api, quick: Quick, submit) -> None:
    run = submit([*DIAMOND, node("bad", "a", **FAILS, maxRetries=0), node("behind", "bad")])
    path = f"/workflows/{run['id']}"
    before = yard("GET", path).body
    assert (before["state"], before["counts"]) == ("PENDING", {"BLOCKED": 6})
    assert [one["name"] for one in before["nodes"]] == ["a", "b", "c", "d", "bad", "behind"]
    begin(quick, run_of(run["id"]))
    assert yard("GET", path).body["counts"] == {"BLOCKED": 5, "READY": 1}
    finished(quick, run["id"])
    first = yard("GET", path, query={"limit": "4"}).body
    assert (first["state"], first["counts"]) == ("FAILED", {"DEAD": 1, "SKIPPED": 1, "SUCCESS": 4})
    assert [one["name"] for one in first["nodes"]] == ["a", "b", "c", "d"]
    second = yard("GET", path, query={"limit": "4", "cursor": first["cursor"]}).body
    assert [one["state"] for one in second["nodes"]] == ["DEAD", "SKIPPED"]
    assert second["cursor"] is None
    assert second["nodes"][0]["errorType"] == "UnluckyError"
    assert second["nodes"][1]["reason"] == "node bad ended as DEAD"


def test_counts_are_exact_while_it_runs_also_when_nobody_looks_at_each_node(
    yard: Api, quick: Quick, submit, monkeypatch
) -> None:
    from functions.api import workflow_look

    run = submit([node("a"), *(node(f"n{at}", "a") for at in range(60))])
    begin(quick, run_of(run["id"]))
    quick.work_off(most=21)
    counts = yard("GET", f"/workflows/{run['id']}").body["counts"]
    assert sum(counts.values()) == 61
    monkeypatch.setattr(workflow_look, "LOOKED_AT", 10)
    few = yard("GET", f"/workflows/{run['id']}").body["counts"]
    assert few == {"SUCCESS": counts["SUCCESS"], "OPEN": 61 - counts["SUCCESS"]}


def test_a_node_is_a_task_with_a_tie_to_its_workflow(yard: Api, quick: Quick, submit) -> None:
    run = submit(name="ours")
    begin(quick, run_of(run["id"]))
    task = yard.get(f"{run['id']}-3")
    assert task["workflow"] == {"id": run["id"], "name": "ours", "node": "d", "round": 1}
    assert task["dependencies"] == [f"{run['id']}-1", f"{run['id']}-2"]
    assert yard.submit()["workflow"] is None


def test_a_node_can_be_changed_cancelled_and_waited_for_as_a_task(yard: Api, quick: Quick, submit) -> None:
    run = submit()
    begin(quick, run_of(run["id"]))
    waiter = yard.submit(dependencies=[f"{run['id']}-1"])
    assert waiter["state"] == "BLOCKED"
    changed = yard("PATCH", f"/tasks/{run['id']}-1", {"payload": {"message": "changed"}, "priority": 9})
    assert (changed.status, changed.body["lane"], changed.body["workflow"]["node"]) == (200, "high", "b")
    assert yard("DELETE", f"/tasks/{run['id']}-2").status == 204
    finished(quick, run["id"])
    found = yard("GET", f"/workflows/{run['id']}").body
    assert found["counts"] == {"CANCELLED": 1, "SKIPPED": 1, "SUCCESS": 2}
    assert yard.get(waiter["id"])["state"] == "SUCCESS"


def test_workflows_are_listed_newest_first_by_page(yard: Api, quick: Quick, submit) -> None:
    ids = []
    for _ in range(5):
        quick.clock.advance(1)
        ids.append(submit()["id"])
    first = yard("GET", "/workflows", query={"limit": "3"}).body
    second = yard("GET", "/workflows", query={"limit": "3", "cursor": first["cursor"]}).body
    assert [one["id"] for one in (*first["workflows"], *second["workflows"])] == ids[::-1]
    assert second["cursor"] is None
    assert yard("GET", "/tasks").body["tasks"] == []
    for query in ({"limit": "0"}, {"cursor": "x"}, {"colour": "red"}):
        assert yard("GET", "/workflows", query=query).status == 422


def test_another_tenants_workflow_is_not_there(yard: Api, quick: Quick, submit) -> None:
    run, stranger = submit(), Api(quick, account="999999999999")
    for method, rest in (("GET", ""), ("GET", "/graph"), ("DELETE", ""), ("POST", "/retry")):
        answer = stranger(method, f"/workflows/{run['id']}{rest}")
        assert (answer.status, answer.body["type"]) == (404, "urn:taskyard:problem:workflow-not-found")
    assert stranger("GET", "/workflows").body["workflows"] == []
    assert yard("GET", "/workflows/none").status == 404


def test_the_graph_is_drawn_in_each_format_coloured_by_state(yard: Api, quick: Quick, submit) -> None:
    run = submit(name="<b>")
    finished(quick, run["id"])
    path = f"/workflows/{run['id']}/graph"
    mermaid, dot = yard("GET", path), yard("GET", path, query={"format": "dot"})
    assert mermaid.headers["content-type"].startswith("text/vnd.mermaid")
    assert "n1 --> n3" in mermaid.body
    assert ":::SUCCESS" in mermaid.body
    assert dot.body.startswith("digraph")
    svg = yard("GET", path, headers={"Accept": "image/svg+xml"})
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert "<b>" not in svg.body
    assert yard("GET", path, query={"format": "png"}).fields["format"] == "must be one of mermaid, dot, svg"


# -- cancelled, run again


def test_cancelling_ends_what_has_not_started(yard: Api, quick: Quick, submit) -> None:
    run = submit()
    begin(quick, run_of(run["id"]), token="waits")
    path = f"/workflows/{run['id']}"
    assert yard("DELETE", path).status == 204
    assert quick.told == [("waits", {"outcome": "cancel"})]
    assert yard("DELETE", path).status == 204
    step(quick, "finish", run_of(run["id"]), outcome="cancel")
    found = yard("GET", path).body
    assert (found["state"], found["counts"], found["cancelRequested"]) == ("CANCELLED", {"CANCELLED": 4}, True)
    assert yard("DELETE", path).status == 204


def test_a_workflow_that_has_ended_cannot_be_cancelled(yard: Api, quick: Quick, submit) -> None:
    run = submit()
    finished(quick, run["id"])
    answer = yard("DELETE", f"/workflows/{run['id']}")
    assert (answer.status, answer.body["state"], answer.body["workflowId"]) == (409, "SUCCESS", run["id"])


def test_a_retry_begins_the_next_round(yard: Api, quick: Quick, submit) -> None:
    run = submit([node("a"), node("bad", "a", **FAILS, maxRetries=0), node("z", "bad")])
    path = f"/workflows/{run['id']}"
    assert yard("POST", f"{path}/retry").status == 409
    finished(quick, run["id"])
    answer = yard("POST", f"{path}/retry")
    assert (answer.status, answer.body["state"], answer.body["round"]) == (202, "PENDING", 2)
    assert quick.started[-1][0] == f"{run['id']}-2"
    assert quick.started[-1][1]["round"] == 2
    assert yard("POST", f"{path}/retry").status == 409
    assert finished(quick, run["id"])["counts"] == {"SUCCESS": 1, "DEAD": 1, "SKIPPED": 1}
    assert yard.get(f"{run['id']}-1")["attempt"] == 2
    assert yard.get(f"{run['id']}-0")["attempt"] == 1


def test_a_retry_tells_of_the_end_that_it_leaves(
    yard: Api, quick: Quick, submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step that wrote the end died before it told of it."""
    run = submit([node("bad", **FAILS, maxRetries=0)], notify=[{"email": "night@example.com"}])
    with monkeypatch.context() as patch:
        patch.setattr(Notifications, "tell_run", Mock(side_effect=StoreUnavailable("StepFunctions", "x")))
        with pytest.raises(StoreUnavailable):
            finished(quick, run["id"])
    ended = run_of(run["id"])
    assert yard("POST", f"/workflows/{run['id']}/retry").status == 202
    assert f"{run['id']}-1-{ended.ended_at}-0" in [name for name, _ in quick.started]


def test_a_workflow_that_succeeded_is_not_run_again(yard: Api, quick: Quick, submit) -> None:
    run = submit()
    finished(quick, run["id"])
    assert yard("POST", f"/workflows/{run['id']}/retry").body["state"] == "SUCCESS"
