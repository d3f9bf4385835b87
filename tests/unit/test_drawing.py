"""Pictures of runs: legible for fifty nodes, not larger than anybody could read for ten thousand."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from functions.api.workflows import drawing
from functions.api.workflows.layout import lay_out
from functions.core.states import State
from functions.core.workflows.dag import Node

W, H = drawing.BOX_WIDTH, 46


def random_nodes(size: int, seed: int = 3, most: int = 3, window: int = 12) -> list[Node]:
    drawn = random.Random(seed)
    return [
        Node(
            f"n{at}",
            tuple({f"n{drawn.randrange(max(0, at - window), at)}" for _ in range(drawn.randrange(most)) if at}),
        )
        for at in range(size)
    ]


def states(nodes: list[Node], state: str = "SUCCESS") -> dict[str, str]:
    return {node.name: state for node in nodes}


DIAMOND = [Node("a"), Node("b", ("a",)), Node("c", ("a",)), Node("d", ("b", "c"))]


def test_a_diamond_in_mermaid_and_dot() -> None:
    shown = drawing.picture(DIAMOND, states(DIAMOND) | {"c": "DEAD"}, title="it's")
    mermaid, dot = drawing.mermaid(shown), drawing.dot(shown)
    assert "title: 'it''s'" in mermaid
    assert '  n2["c<br>DEAD"]:::DEAD' in mermaid
    assert [line for line in mermaid.splitlines() if "-->" in line] == [
        "  n0 --> n1", "  n0 --> n2", "  n1 --> n3", "  n2 --> n3",
    ]  # fmt: skip
    assert 'n2 [label="c\\nDEAD"' in dot
    assert dot.count("->") == 4


@pytest.mark.parametrize("name", ['"]; click n0 "javascript:x"', "<script>", "a#b;", "new\nline", "\\", "end", "größe"])
def test_no_name_can_leave_its_place(name: str) -> None:
    nodes = [Node(name)]
    shown = drawing.picture(nodes, states(nodes), title=name)
    lines = [line for line in drawing.mermaid(shown).splitlines() if line.startswith("  n0")]
    assert len(lines) == 1
    assert re.fullmatch(r'  n0\["[^"]*"\]:::SUCCESS', lines[0])
    assert drawing.dot(shown).count("\n") == 6
    ElementTree.fromstring(drawing.svg(shown))
    assert "<script" not in drawing.svg(shown)


@pytest.mark.parametrize("letter", ["x", "M", "数", "😀", "."])
def test_a_long_name_is_cut_to_its_box_and_keeps_its_end(letter: str) -> None:
    names = [letter * 200 + "_1", letter * 200 + "_2"]
    nodes = [Node(name) for name in names]
    first, second = (box.lines[0] for box in drawing.picture(nodes, states(nodes), title="x").boxes)
    assert (first[-2:], second[-2:]) == ("_1", "_2")
    assert first.count("…") == 1
    assert drawing.BOX_TEXT_WIDTH - 13 <= drawing.text_width(first) <= drawing.BOX_TEXT_WIDTH
    assert names[0] in drawing.svg(drawing.picture(nodes, states(nodes), title="x"))


@pytest.mark.parametrize(
    "nodes",
    [
        [Node("a"), *(Node(f"m{at}", ("a",)) for at in range(400)), Node("z", tuple(f"m{at}" for at in range(101)))],
        [Node(f"{at}{'<&>' * 20}", (f"{at - 1}{'<&>' * 20}",) if at else ()) for at in range(500)],
    ],
    ids=["edges", "text"],
)
def test_mermaid_is_given_no_more_than_it_draws(nodes: list[Node]) -> None:
    text = drawing.draw("mermaid", nodes, states(nodes), title="x")
    assert "too many to draw one by one" in text
    assert drawing.draw("svg", nodes, states(nodes), title="x").count("<rect") > len(nodes)
    fewer = drawing.draw("mermaid", nodes[:300], states(nodes), title="x")
    assert fewer.count("-->") == 299


def test_an_svg_of_arrows_that_pass_everything_is_drawn_by_rank() -> None:
    """A chain of 500 with arrows across all of it: 12 MB if drawn whole, more than Lambda answers."""
    drawn = random.Random(1)
    nodes = [Node("n0"), *(Node(f"n{at}", (f"n{at - 1}", f"n{drawn.randrange(at)}")) for at in range(1, 500))]
    assert "too many to draw one by one" in drawing.draw("svg", nodes, states(nodes), title="x")
    assert "too many to draw one by one" not in drawing.draw("dot", nodes, states(nodes), title="x")


def test_every_state_of_a_task_has_a_colour() -> None:
    assert set(drawing.FILL_COLOURS) == set(State) == set(drawing.STATES_BY_ALARM)


@pytest.mark.parametrize("seed", range(5))
def test_boxes_do_not_overlap_and_arrows_go_to_the_right(seed: int) -> None:
    nodes = random_nodes(50, seed)
    shown = drawing.picture(nodes, states(nodes), title="x")
    layout = lay_out(50, [(a.start, a.end) for a in shown.arrows], width=W, height=H)
    places = sorted((place.x, place.y) for place in layout.places)
    assert all(one[0] != other[0] or other[1] - one[1] >= H for one, other in pairwise(places))
    for arrow, line in zip(shown.arrows, layout.lines, strict=True):
        assert all(before.x <= after.x for before, after in pairwise(line))
        assert (line[0].x, line[-1].x) == (layout.places[arrow.start].x + W, layout.places[arrow.end].x)
    assert all(0 <= p.x <= layout.width - W and 0 <= p.y <= layout.height - H for p in layout.places)


def test_an_arrow_over_several_columns_passes_between_their_boxes() -> None:
    nodes = [Node("a"), Node("b", ("a",)), Node("c", ("b",)), Node("d", ("c", "a"))]
    shown = drawing.picture(nodes, states(nodes), title="x")
    arrows = [(a.start, a.end) for a in shown.arrows]
    layout = lay_out(4, arrows, width=W, height=H)
    long = layout.lines[arrows.index((0, 3))]
    for box in (1, 2):
        place = layout.places[box]
        assert all(not place.y < point.y < place.y + H for point in long if place.x <= point.x <= place.x + W)


@pytest.mark.parametrize(
    "nodes",
    [
        random_nodes(10_000, most=6),
        [Node(f"n{at}", (f"n{at - 1}",) if at else ()) for at in range(10_000)],
        [
            Node("a"),
            *(Node(f"m{at}", ("a",)) for at in range(9_998)),
            Node("z", tuple(f"m{at}" for at in range(9_998))),
        ],
        [
            *(Node(f"a{at}") for at in range(60)),
            *(Node(f"b{at}", tuple(f"a{n}" for n in range(60))) for at in range(60)),
        ],
    ],
    ids=["random", "chain", "wide", "many edges"],
)
def test_what_nobody_could_read_is_drawn_by_rank_and_says_so(nodes: list[Node]) -> None:
    shown = drawing.picture(nodes, states(nodes) | {nodes[0].name: "DEAD"}, title="large")
    assert len(shown.boxes) <= drawing.MAX_BOXES
    assert "too many to draw one by one" in shown.note
    assert shown.boxes[0].state == "DEAD"
    counted = sum(int(line.split()[0]) for box in shown.boxes for line in box.lines[1:])
    assert counted == len(nodes)
    for text in (drawing.mermaid(shown), drawing.dot(shown), drawing.svg(shown)):
        assert len(text) < 100_000
        assert "too many to draw" in text
    ElementTree.fromstring(drawing.svg(shown))
