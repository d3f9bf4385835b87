"""POST /workflows and what follows it: accepted, looked at, cancelled, run again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from functions.core.errors import StoreUnavailable
from functions.core.field_errors import field_path
from functions.core.task import id_for_key
from functions.core.workflows.run import Run
from functions.runtime.notifications import NotificationStarter
from functions.store.runs import RunStore
from functions.workflow import handler as workflow
from tests.integration.api import MESSAGE, Api
from tests.integration.cloud import TENANT
from tests.integration.quick import Killed, Quick
from tests.integration.workflows import FAILS, begin, node, step

DIAMOND = [node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c")]


@pytest.fixture
def submit(yard: Api) -> Callable[..., Any]:
    def submitted(nodes: Any = DIAMOND, **fields: Any) -> Any:
        answer = yard("POST", "/workflows", {"nodes": nodes, **fields})
        assert answer.status in (200, 201), answer.body
        return answer.body

    return submitted


def run_of(workflow_id: str) -> Run:
    found = workflow.services().runs.get(TENANT, workflow_id)
    assert found is not None
    return found


def finished(quick: Quick, workflow_id: str) -> dict[str, Any]:
    run = run_of(workflow_id)
    begin(quick, run, token=f"round {run.round}")
    quick.work_off()
    return step(quick, "finish", run, outcome=quick.told[-1][1]["outcome"])


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
    assert submit(idempotencyKey="same")["id"] != id_for_key(TENANT, "same")


@pytest.mark.parametrize(
    "name", ["model.shop.stg_orders", "//service/api:unit tests", "group.task[1]", "größe → 数", '"; <b>&', "x" * 256]
)
def test_nodes_may_be_named_as_other_tools_name_them(yard: Api, quick: Quick, submit, name: str) -> None:
    run = submit({name: MESSAGE, "after": {**MESSAGE, "dependsOn": [name]}})
    finished(quick, run["id"])
    first, _ = yard("GET", f"/workflows/{run['id']}").body["nodes"]
    assert (first["name"], first["state"]) == (name, "SUCCESS")
    wrong = yard("POST", "/workflows", {"nodes": {name: {**MESSAGE, "priority": 10}}})
    (error,) = wrong.body["errors"]
    assert error["field"] == field_path("nodes", name, "priority")


def test_a_definition_of_300_kilobytes_is_accepted(yard: Api, quick: Quick) -> None:
    """A definition goes to S3: an execution is told the run's id only, whatever its size."""
    large = [node(f"n{at}", payload={"message": "x" * 1000}) for at in range(300)]
    run = yard("POST", "/workflows", {"nodes": large})
    assert run.status == 201
    assert [name.rpartition("/")[0] for name in quick.documents] == [f"{TENANT}/{run.body['id']}"]
    assert len(str(quick.started)) < 300
    begin(quick, run_of(run.body["id"]))
    assert yard.get(f"{run.body['id']}-299")["payload"]["message"] == "x" * 1000


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
    from functions.api.workflows import reader

    run = submit([node("a"), *(node(f"n{at}", "a") for at in range(60))])
    begin(quick, run_of(run["id"]))
    quick.work_off(most=21)
    counts = yard("GET", f"/workflows/{run['id']}").body["counts"]
    assert sum(counts.values()) == 61
    monkeypatch.setattr(reader, "RECORDS_READ_LIMIT", 10)
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
        patch.setattr(NotificationStarter, "start_for_run", Mock(side_effect=StoreUnavailable("StepFunctions", "x")))
        with pytest.raises(StoreUnavailable):
            finished(quick, run["id"])
    ended = run_of(run["id"])
    assert yard("POST", f"/workflows/{run['id']}/retry").status == 202
    assert f"{run['id']}-1-{ended.ended_at}-0" in [name for name, _ in quick.started]


def test_a_workflow_that_succeeded_is_not_run_again(yard: Api, quick: Quick, submit) -> None:
    run = submit()
    finished(quick, run["id"])
    assert yard("POST", f"/workflows/{run['id']}/retry").body["state"] == "SUCCESS"
