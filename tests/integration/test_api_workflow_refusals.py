"""POST /workflows: what is refused, as a whole, with every reason; nothing is left behind."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.integration.api import MESSAGE, Answer, Api
from tests.integration.quick import Quick
from tests.integration.workflows import node

DIAMOND = [node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c")]


def left_nothing(quick: Quick) -> None:
    assert list(quick.table.items()) == []
    assert (quick.started, quick.documents, quick.messages) == ([], {}, {})


def refused(answer: Answer, quick: Quick) -> dict[str, str]:
    """Field → message."""
    assert answer.status == 422, answer.body
    left_nothing(quick)
    return answer.fields


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
    cycle = said.partition(": ")[2].split(" → ")
    assert cycle[0] == cycle[-1]
    assert set(cycle) == {"a", "b", "c"}
    waits_for = {one["name"]: one["dependsOn"] for one in nodes}
    assert all(before in waits_for[after] for before, after in pairwise(cycle))


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


def test_a_name_that_stands_twice_in_a_map_is_a_duplicate_too(yard: Api, quick: Quick) -> None:
    one = '{"type": "DELAYED_MESSAGE", "payload": {"message": "x"}}'
    answer = yard("POST", "/workflows", f'{{"nodes": {{"a": {one}, "b": {one}, "a": {one}}}}}')
    assert (answer.status, answer.body["detail"]) == (400, "the body gives 'a' twice in one object")
    left_nothing(quick)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("x" * 257)], "at most 256 characters"),
        ([node("a\nb")], "must not hold control characters"),
        ([node("")], "at least 1 character"),
        ([node("a", "x" * 5_000_000)], "no node is named 'xxx"),
        ([node(f"n{at}", f"n{at + 1}") for at in range(10_000)], "no node is named 'n10000'"),
        ([node(f"{'n' * 250}{at}", f"{'n' * 250}{(at + 1) % 8_000}") for at in range(8_000)], "in a cycle: nnn"),
    ],
)
def test_however_long_what_is_wrong_is_the_answer_is_short(yard: Api, quick: Quick, nodes: Any, message: str) -> None:
    answer = yard("POST", "/workflows", {"nodes": nodes})
    assert any(message in said for said in refused(answer, quick).values())
    assert len(str(answer.body)) < 10_000


def test_what_is_above_the_limit_leaves_nothing(yard: Api, quick: Quick) -> None:
    above = yard("POST", "/workflows", {"nodes": [node("a", payload={"message": "x" * 5_300_000})]})
    assert (above.status, above.body["type"]) == (413, "urn:taskyard:problem:payload-too-large")
    left_nothing(quick)


def wide(edges: int) -> list[dict[str, Any]]:
    """10,000 nodes, of which each waits for the ten before it, as far as there are edges to go round."""
    nodes = []
    for at in range(10_000):
        backs = min(at, 11, edges)
        edges -= backs
        nodes.append(node(f"n{at}", *(f"n{at - back}" for back in range(1, backs + 1))))
    assert edges == 0
    return nodes


def test_ten_thousand_nodes_and_a_hundred_thousand_edges_are_accepted_and_one_more_is_not(
    yard: Api, quick: Quick
) -> None:
    more = refused(yard("POST", "/workflows", {"nodes": wide(100_001)}), quick)
    assert "100001 edges are more than the 100000" in more["nodes"]
    answer = yard("POST", "/workflows", {"nodes": wide(100_000)})
    assert (answer.status, answer.body["nodeCount"], answer.body["edgeCount"]) == (201, 10_000, 100_000)
