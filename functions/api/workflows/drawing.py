"""Draws a workflow run as Mermaid, DOT or SVG, with colours by state. Pure.

Above MAX_NODES nodes or MAX_EDGES edges (Mermaid: fewer) a picture would be unreadable. Then each box stands for one
rank, or several consecutive ones (rank: distance of a node from the roots), with counts of states, and a note says so.
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
MAX_COLUMN_CROSSINGS = 10_000
"""Columns that the arrows of an SVG pass, in sum: each adds a bend, about 50 bytes."""
MERMAID_EDGES, MERMAID_CHARACTERS = 500, 50_000
"""The defaults of Mermaid's maxEdges and maxTextSize (in characters)."""

FILL_COLOURS: Mapping[str, str] = {
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
"""By state. Light enough for black text. Other states are white."""
STATES_BY_ALARM = (
    "DEAD",
    "FAILED",
    "RETRY",
    "RUNNING",
    "CANCELLED",
    "SKIPPED",
    "READY",
    "PENDING",
    "BLOCKED",
    "SUCCESS",
)
"""Most alarming first. A box of many nodes has the colour of the first of these states that one of the nodes has."""


@dataclass(frozen=True)
class Box:
    """`lines`: its text. `title`: its tooltip. `state`: decides on its colour; empty for none."""

    lines: tuple[str, ...]
    title: str
    state: str


@dataclass(frozen=True)
class Arrow:
    """`start`, `end`: indexes of boxes."""

    start: int
    end: int
    label: str = ""


@dataclass(frozen=True)
class Picture:
    title: str
    note: str
    """Says why the picture does not show every node; otherwise empty."""
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def draw(format_: str, nodes: Sequence[Node], states: Mapping[str, str], *, title: str) -> str:
    """`format_`: mermaid, dot or svg. The other parameters: as for `picture`."""
    if format_ == "dot":
        return dot(picture(nodes, states, title=title))
    if format_ == "svg":
        rank = node_ranks(nodes)
        crossings = sum(rank[node.name] - rank[other] - 1 for node in nodes for other in set(node.depends_on))
        return svg(picture(nodes, states, title=title, max_edges=MAX_EDGES if crossings <= MAX_COLUMN_CROSSINGS else 0))
    full_text = mermaid(picture(nodes, states, title=title, max_edges=MERMAID_EDGES))
    return (
        full_text if len(full_text) <= MERMAID_CHARACTERS else mermaid(picture(nodes, states, title=title, max_edges=0))
    )


def picture(nodes: Sequence[Node], states: Mapping[str, str], *, title: str, max_edges: int = MAX_EDGES) -> Picture:
    """`nodes`: those of a valid run. `states`: by name of the node."""
    edges = sum(len(set(node.depends_on)) for node in nodes)
    if len(nodes) > MAX_NODES or edges > max_edges:
        return collapsed_picture(nodes, states, title=title, edges=edges)
    at = {node.name: index for index, node in enumerate(nodes)}
    return Picture(
        title=title,
        note="",
        boxes=tuple(
            Box((shorten_to_box(node.name), states[node.name]), f"{node.name}: {states[node.name]}", states[node.name])
            for node in nodes
        ),
        arrows=tuple(
            Arrow(at[upstream], index)
            for index, node in enumerate(nodes)
            for upstream in dict.fromkeys(node.depends_on)
        ),
    )


def collapsed_picture(nodes: Sequence[Node], states: Mapping[str, str], *, title: str, edges: int) -> Picture:
    """One box for each rank, or for several consecutive ranks when there are many."""
    rank = node_ranks(nodes)
    depth = max(rank.values()) + 1
    ranks_per_box = -(-depth // MAX_BOXES)
    counts_by_box: list[Counter[str]] = [Counter() for _ in range(-(-depth // ranks_per_box))]
    incoming_edges: Counter[int] = Counter()
    for node in nodes:
        place = rank[node.name] // ranks_per_box
        counts_by_box[place][states[node.name]] += 1
        incoming_edges[place] += sum(rank[upstream] // ranks_per_box < place for upstream in set(node.depends_on))
    boxes = []
    for place, counts in enumerate(counts_by_box):
        last = min((place + 1) * ranks_per_box, depth) - 1
        name = f"rank {place * ranks_per_box}" if ranks_per_box == 1 else f"ranks {place * ranks_per_box}–{last}"
        state_counts = [f"{counts[state]} {state}" for state in STATES_BY_ALARM if counts[state]]
        boxes.append(
            Box(
                (f"{name}: {counts.total()} {'node' if counts.total() == 1 else 'nodes'}", *state_counts),
                f"{name}: {', '.join(state_counts)}",
                next((state for state in STATES_BY_ALARM if counts[state]), ""),
            )
        )
    note = (
        f"{len(nodes)} nodes and {edges} edges in {depth} ranks are too many to draw one by one: "
        "each box counts the nodes of a rank, or of a few"
    )
    arrows = tuple(Arrow(at - 1, at, f"{incoming_edges[at]} edges") for at in range(1, len(boxes)))
    return Picture(title=title, note=note, boxes=tuple(boxes), arrows=arrows)


def shorten_to_box(name: str) -> str:
    """The name, with its middle left out when it is too wide for a box. More is left of its end than of its beginning,
    because names often begin alike. The tooltip has the full name."""
    if text_width(name) <= BOX_TEXT_WIDTH:
        return name
    shorter = name
    for length in range(1, len(name)):
        tail = length * 2 // 3
        candidate = name[: length - tail] + "…" + name[len(name) - tail :]
        if text_width(candidate) > BOX_TEXT_WIDTH:
            return shorter
        shorter = candidate
    return shorter


def text_width(text: str) -> float:
    """Estimated width in pixels, in a bold sans-serif font of 12 px."""
    return sum(13 if east_asian_width(c) in "WF" else 11 if c.isupper() or c in "mw@%&…" else 7.5 for c in text)


# -- Mermaid


def mermaid(image: Picture) -> str:
    """https://mermaid.js.org/syntax/flowchart.html: text is quoted, and special characters are written as entities."""
    lines = ["---", f"title: {yaml_string(image.title)}", "---", "flowchart LR"]
    if image.note:
        lines.append(f"  %% {one_line(image.note)}")
        lines.append(f'  note["{mermaid_entities(image.note)}"]')
    for at, box in enumerate(image.boxes):
        text = "<br>".join(mermaid_entities(line) for line in box.lines)
        lines.append(f'  n{at}["{text}"]' + (f":::{box.state}" if box.state in FILL_COLOURS else ""))
    for arrow in image.arrows:
        label = f'|"{mermaid_entities(arrow.label)}"|' if arrow.label else ""
        lines.append(f"  n{arrow.start} -->{label} n{arrow.end}")
    lines += [f"  classDef {state} fill:{FILL_COLOURS[state]},stroke:#555,color:#111" for state in legend_states(image)]
    return "\n".join(lines) + "\n"


def mermaid_entities(text: str) -> str:
    """Mermaid's entity codes are `#<decimal>;`."""
    return "".join(c if c.isalnum() or c in " _-.,:()/–…+" else f"#{ord(c)};" for c in one_line(text))


def yaml_string(text: str) -> str:
    return "'" + one_line(text).replace("'", "''") + "'"


def one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


# -- DOT


def dot(image: Picture) -> str:
    """https://graphviz.org/doc/info/lang.html"""
    label = image.title + (f"\n{image.note}" if image.note else "")
    lines = [
        "digraph run {",
        "  rankdir=LR;",
        f"  label={dot_string(label)};",
        '  node [shape=box, style="rounded,filled", fillcolor="white", fontname="Helvetica"];',
    ]
    for at, box in enumerate(image.boxes):
        fill = FILL_COLOURS.get(box.state, "white")
        text, tooltip = dot_string("\n".join(box.lines)), dot_string(box.title)
        lines.append(f'  n{at} [label={text}, tooltip={tooltip}, fillcolor="{fill}"];')
    for arrow in image.arrows:
        label = f" [label={dot_string(arrow.label)}]" if arrow.label else ""
        lines.append(f"  n{arrow.start} -> n{arrow.end}{label};")
    return "\n".join([*lines, "}"]) + "\n"


def dot_string(text: str) -> str:
    lines = (one_line(line).replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return '"' + "\\n".join(lines) + '"'


# -- SVG

BOX_WIDTH, LINE_HEIGHT, PADDING = 190, 15, 8
"""In pixels. PADDING: inside a box."""
BOX_TEXT_WIDTH = BOX_WIDTH - 2 * PADDING
"""Room for a line of text in a box, in pixels."""
MARGIN, HEADER_HEIGHT = 20, 44
LEGEND_HEIGHT = 24


def svg(image: Picture) -> str:
    """Self-contained: no scripts, no fonts, no references to other files."""
    height = max(len(box.lines) for box in image.boxes) * LINE_HEIGHT + 2 * PADDING
    layout = lay_out(len(image.boxes), [(a.start, a.end) for a in image.arrows], width=BOX_WIDTH, height=height)
    head = HEADER_HEIGHT + (LINE_HEIGHT if image.note else 0)
    widest_text = max(text_width(image.title) * 16 / 12, text_width(image.note))
    width = max(layout.width + 2 * MARGIN, 2 * MARGIN + widest_text, 420)
    total = layout.height + head + MARGIN + LEGEND_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{total:.0f}" '
        f'viewBox="0 0 {width:.0f} {total:.0f}" font-family="Helvetica,Arial,sans-serif" font-size="12">',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0L8,4L0,8z" fill="#777"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{MARGIN}" y="26" font-size="16" font-weight="bold">{escape_text(image.title)}</text>',
    ]
    if image.note:
        parts.append(f'<text x="{MARGIN}" y="{26 + LINE_HEIGHT + 3}" fill="#555">{escape_text(image.note)}</text>')
    parts.append(f'<g transform="translate({MARGIN},{head})">')
    parts += svg_arrows(image, layout)
    parts += svg_boxes(image, layout, height)
    parts.append("</g>")
    parts += svg_legend(legend_states(image), layout.height + head + LEGEND_HEIGHT)
    return "\n".join([*parts, "</svg>"]) + "\n"


def svg_boxes(image: Picture, layout: Layout, height: int) -> Iterable[str]:
    for box, place in zip(image.boxes, layout.places, strict=True):
        fill = FILL_COLOURS.get(box.state, "#fff")
        yield (
            f'<g transform="translate({place.x:.0f},{place.y:.0f})"><title>{escape_text(box.title)}</title>'
            f'<rect width="{BOX_WIDTH}" height="{height}" rx="6" fill="{fill}" stroke="#555"/>'
        )
        for at, line in enumerate(box.lines):
            style = 'font-weight="bold"' if at == 0 else 'fill="#333" font-size="10"'
            y = PADDING + LINE_HEIGHT * at + 11
            yield f'<text x="{BOX_WIDTH / 2:.0f}" y="{y}" text-anchor="middle" {style}>{escape_text(line)}</text>'
        yield "</g>"


def svg_arrows(image: Picture, layout: Layout) -> Iterable[str]:
    for arrow, points in zip(image.arrows, layout.lines, strict=True):
        yield f'<path d="{svg_curve(points)}" fill="none" stroke="#999" marker-end="url(#a)"/>'
        if arrow.label:
            middle = Point((points[0].x + points[-1].x) / 2, (points[0].y + points[-1].y) / 2)
            yield (
                f'<text x="{middle.x:.0f}" y="{middle.y - 5:.0f}" text-anchor="middle" font-size="10" fill="#555">'
                f"{escape_text(arrow.label)}</text>"
            )


def svg_curve(points: Sequence[Point]) -> str:
    """A path through all points, horizontal at each of them: arrows leave and enter boxes at the sides."""
    commands = [f"M{points[0].x:.0f},{points[0].y:.0f}"]
    for before, after in pairwise(points):
        bend = (before.x + after.x) / 2
        commands.append(f"C{bend:.0f},{before.y:.0f} {bend:.0f},{after.y:.0f} {after.x:.0f},{after.y:.0f}")
    return "".join(commands)


def svg_legend(states: Sequence[str], y: float) -> Iterable[str]:
    x = MARGIN
    for state in states:
        yield f'<rect x="{x}" y="{y - 10:.0f}" width="11" height="11" fill="{FILL_COLOURS[state]}" stroke="#555"/>'
        yield f'<text x="{x + 15}" y="{y:.0f}" font-size="10">{state}</text>'
        x += 30 + len(state) * 7


def legend_states(image: Picture) -> list[str]:
    present = {box.state for box in image.boxes}
    return [state for state in FILL_COLOURS if state in present]


def escape_text(value: str) -> str:
    return escape(one_line(value))
