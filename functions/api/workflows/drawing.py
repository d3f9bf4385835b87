"""A run as a picture: Mermaid, DOT or SVG, coloured by state. Pure text in, pure text out.

Beyond MAX_NODES nodes or MAX_EDGES edges nobody could read it, and Mermaid draws less: then each box is a stretch of
ranks (how far a node is from the roots) with the counts of its states, and the picture says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from unicodedata import east_asian_width

from functions.api.workflows.layout import Layout, Point, lay_out
from functions.core.workflows.dag import Node, node_ranks

MAX_NODES = 500
MAX_EDGES = 2_000
MAX_BOXES = 40
"""Of a collapsed picture."""
MAX_PASSED = 10_000
"""Columns that the arrows of an SVG pass through, in sum: each is a bend to place and to draw, some 50 bytes."""
MERMAID_EDGES, MERMAID_CHARACTERS = 500, 50_000
"""The defaults of Mermaid's maxEdges and maxTextSize (in characters)."""

FILL: Mapping[str, str] = {
    "SUCCESS": "#b7e4c7",
    "RUNNING": "#a9d6f5",
    "READY": "#dbeafe",
    "PENDING": "#e0e7ff",
    "RETRY": "#ffe8a3",
    "BLOCKED": "#f1f3f5",
    "FAILED": "#f8b4b4",
    "DEAD": "#f29ca3",
    "CANCELLED": "#d6d6d6",
    "SKIPPED": "#e4dcea",
}
"""Light enough for black text. What is not listed is white."""
ALARMING = ("DEAD", "FAILED", "RETRY", "RUNNING", "CANCELLED", "SKIPPED", "READY", "PENDING", "BLOCKED", "SUCCESS")
"""A box of many nodes has the colour of the first of these that one of them is in."""


@dataclass(frozen=True)
class Box:
    """`lines`: what stands in it; `title`: the tooltip."""

    lines: tuple[str, ...]
    title: str
    state: str


@dataclass(frozen=True)
class Arrow:
    """From box to box, by index."""

    start: int
    end: int
    label: str = ""


@dataclass(frozen=True)
class Picture:
    title: str
    note: str
    """Why it is not the whole graph; empty when it is."""
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def draw(format_: str, nodes: Sequence[Node], states: Mapping[str, str], *, title: str) -> str:
    """`format_`: mermaid, dot or svg. The others: as in `picture`."""
    if format_ == "dot":
        return dot(picture(nodes, states, title=title))
    if format_ == "svg":
        rank = node_ranks(nodes)
        passed = sum(rank[node.name] - rank[other] - 1 for node in nodes for other in set(node.depends_on))
        return svg(picture(nodes, states, title=title, most_edges=MAX_EDGES if passed <= MAX_PASSED else 0))
    whole = mermaid(picture(nodes, states, title=title, most_edges=MERMAID_EDGES))
    return whole if len(whole) <= MERMAID_CHARACTERS else mermaid(picture(nodes, states, title=title, most_edges=0))


def picture(nodes: Sequence[Node], states: Mapping[str, str], *, title: str, most_edges: int = MAX_EDGES) -> Picture:
    """`nodes`: of a run, so without problems. `states`: by name."""
    edges = sum(len(set(node.depends_on)) for node in nodes)
    if len(nodes) > MAX_NODES or edges > most_edges:
        return collapsed_picture(nodes, states, title=title, edges=edges)
    at = {node.name: index for index, node in enumerate(nodes)}
    return Picture(
        title=title,
        note="",
        boxes=tuple(
            Box((shortened(node.name), states[node.name]), f"{node.name}: {states[node.name]}", states[node.name])
            for node in nodes
        ),
        arrows=tuple(
            Arrow(at[upstream], index)
            for index, node in enumerate(nodes)
            for upstream in dict.fromkeys(node.depends_on)
        ),
    )


def collapsed_picture(nodes: Sequence[Node], states: Mapping[str, str], *, title: str, edges: int) -> Picture:
    """One box a rank, or a stretch of ranks when there are many."""
    rank = node_ranks(nodes)
    depth = max(rank.values()) + 1
    stretch = -(-depth // MAX_BOXES)
    found: list[Counter[str]] = [Counter() for _ in range(-(-depth // stretch))]
    incoming: Counter[int] = Counter()
    for node in nodes:
        place = rank[node.name] // stretch
        found[place][states[node.name]] += 1
        incoming[place] += sum(rank[upstream] // stretch < place for upstream in set(node.depends_on))
    boxes = []
    for place, counts in enumerate(found):
        last = min((place + 1) * stretch, depth) - 1
        name = f"rank {place * stretch}" if stretch == 1 else f"ranks {place * stretch}–{last}"
        told = [f"{counts[state]} {state}" for state in ALARMING if counts[state]]
        boxes.append(
            Box(
                (f"{name}: {counts.total()} {'node' if counts.total() == 1 else 'nodes'}", *told),
                f"{name}: {', '.join(told)}",
                next((state for state in ALARMING if counts[state]), ""),
            )
        )
    note = (
        f"{len(nodes)} nodes and {edges} edges in {depth} ranks are too many to draw one by one: "
        "each box counts the nodes of a rank, or of a few"
    )
    arrows = tuple(Arrow(at - 1, at, f"{incoming[at]} edges") for at in range(1, len(boxes)))
    return Picture(title=title, note=note, boxes=tuple(boxes), arrows=arrows)


def shortened(name: str) -> str:
    """Without its middle, mostly of its beginning, if it does not fit a box: names that begin alike end differently.
    The tooltip has all of it."""
    if text_width(name) <= ROOM:
        return name
    shorter = name
    for kept in range(1, len(name)):
        tail = kept * 2 // 3
        shown = name[: kept - tail] + "…" + name[len(name) - tail :]
        if text_width(shown) > ROOM:
            return shorter
        shorter = shown
    return shorter


def text_width(text: str) -> float:
    """In pixels, about: of a bold sans-serif of 12."""
    return sum(13 if east_asian_width(c) in "WF" else 11 if c.isupper() or c in "mw@%&…" else 7.5 for c in text)


# -- Mermaid


def mermaid(drawn: Picture) -> str:
    """https://mermaid.js.org/syntax/flowchart.html: text is quoted, and what is special in it written as entities."""
    lines = ["---", f"title: {yaml_string(drawn.title)}", "---", "flowchart LR"]
    if drawn.note:
        lines.append(f"  %% {one_line(drawn.note)}")
        lines.append(f'  note["{mermaid_entities(drawn.note)}"]')
    for at, box in enumerate(drawn.boxes):
        text = "<br>".join(mermaid_entities(line) for line in box.lines)
        lines.append(f'  n{at}["{text}"]' + (f":::{box.state}" if box.state in FILL else ""))
    for arrow in drawn.arrows:
        label = f'|"{mermaid_entities(arrow.label)}"|' if arrow.label else ""
        lines.append(f"  n{arrow.start} -->{label} n{arrow.end}")
    lines += [f"  classDef {state} fill:{FILL[state]},stroke:#555,color:#111" for state in legend_states(drawn)]
    return "\n".join(lines) + "\n"


def mermaid_entities(text: str) -> str:
    """Mermaid's entity codes are `#<decimal>;`."""
    return "".join(c if c.isalnum() or c in " _-.,:()/–…+" else f"#{ord(c)};" for c in one_line(text))


def yaml_string(text: str) -> str:
    return "'" + one_line(text).replace("'", "''") + "'"


def one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


# -- DOT


def dot(drawn: Picture) -> str:
    """https://graphviz.org/doc/info/lang.html"""
    label = drawn.title + (f"\n{drawn.note}" if drawn.note else "")
    lines = [
        "digraph run {",
        "  rankdir=LR;",
        f"  label={dot_string(label)};",
        '  node [shape=box, style="rounded,filled", fillcolor="white", fontname="Helvetica"];',
    ]
    for at, box in enumerate(drawn.boxes):
        fill = FILL.get(box.state, "white")
        text, tooltip = dot_string("\n".join(box.lines)), dot_string(box.title)
        lines.append(f'  n{at} [label={text}, tooltip={tooltip}, fillcolor="{fill}"];')
    for arrow in drawn.arrows:
        label = f" [label={dot_string(arrow.label)}]" if arrow.label else ""
        lines.append(f"  n{arrow.start} -> n{arrow.end}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def dot_string(text: str) -> str:
    lines = (one_line(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


# -- SVG

WIDTH, LINE, PADDING = 190, 15, 8
"""Of a box, in pixels; LINE: height of a line of text."""
ROOM = WIDTH - 2 * PADDING
"""For a line of text."""
MARGIN, HEAD = 20, 44
LEGEND = 24


def svg(drawn: Picture) -> str:
    """Alone standing: no script, no font, nothing fetched."""
    height = max(len(box.lines) for box in drawn.boxes) * LINE + 2 * PADDING
    layout = lay_out(len(drawn.boxes), [(a.start, a.end) for a in drawn.arrows], width=WIDTH, height=height)
    head = HEAD + (LINE if drawn.note else 0)
    broadest = max(text_width(drawn.title) * 16 / 12, text_width(drawn.note))
    width = max(layout.width + 2 * MARGIN, 2 * MARGIN + broadest, 420)
    total = layout.height + head + MARGIN + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{total:.0f}" '
        f'viewBox="0 0 {width:.0f} {total:.0f}" font-family="Helvetica,Arial,sans-serif" font-size="12">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0L8,4L0,8z" fill="#777"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{MARGIN}" y="26" font-size="16" font-weight="bold">{text(drawn.title)}</text>',
    ]
    if drawn.note:
        parts.append(f'<text x="{MARGIN}" y="{26 + LINE + 3}" fill="#555">{text(drawn.note)}</text>')
    parts.append(f'<g transform="translate({MARGIN},{head})">')
    parts += arrows(drawn, layout)
    parts += boxes(drawn, layout, height)
    parts.append("</g>")
    parts += legend(legend_states(drawn), layout.height + head + LEGEND)
    return "\n".join([*parts, "</svg>"]) + "\n"


def boxes(drawn: Picture, layout: Layout, height: int) -> Iterable[str]:
    for box, place in zip(drawn.boxes, layout.places, strict=True):
        fill = FILL.get(box.state, "#fff")
        yield (
            f'<g transform="translate({place.x:.0f},{place.y:.0f})"><title>{text(box.title)}</title>'
            f'<rect width="{WIDTH}" height="{height}" rx="6" fill="{fill}" stroke="#555"/>'
        )
        for at, line in enumerate(box.lines):
            style = 'font-weight="bold"' if at == 0 else 'fill="#333" font-size="10"'
            y = PADDING + LINE * at + 11
            yield f'<text x="{WIDTH / 2:.0f}" y="{y}" text-anchor="middle" {style}>{text(line)}</text>'
        yield "</g>"


def arrows(drawn: Picture, layout: Layout) -> Iterable[str]:
    for arrow, points in zip(drawn.arrows, layout.lines, strict=True):
        yield f'<path d="{curve(points)}" fill="none" stroke="#999" marker-end="url(#a)"/>'
        if arrow.label:
            middle = Point((points[0].x + points[-1].x) / 2, (points[0].y + points[-1].y) / 2)
            yield (
                f'<text x="{middle.x:.0f}" y="{middle.y - 5:.0f}" text-anchor="middle" font-size="10" fill="#555">'
                f"{text(arrow.label)}</text>"
            )


def curve(points: Sequence[Point]) -> str:
    """Through all points, level at each: lines leave and enter boxes sideways."""
    drawn = [f"M{points[0].x:.0f},{points[0].y:.0f}"]
    for before, after in pairwise(points):
        bend = (before.x + after.x) / 2
        drawn.append(f"C{bend:.0f},{before.y:.0f} {bend:.0f},{after.y:.0f} {after.x:.0f},{after.y:.0f}")
    return "".join(drawn)


def legend(states: Sequence[str], y: float) -> Iterable[str]:
    x = MARGIN
    for state in states:
        yield f'<rect x="{x}" y="{y - 10:.0f}" width="11" height="11" fill="{FILL[state]}" stroke="#555"/>'
        yield f'<text x="{x + 15}" y="{y:.0f}" font-size="10">{state}</text>'
        x += 30 + len(state) * 7


def legend_states(drawn: Picture) -> list[str]:
    there = {box.state for box in drawn.boxes}
    return [state for state in FILL if state in there]


def text(value: str) -> str:
    return escape(one_line(value))
