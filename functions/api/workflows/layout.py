"""Positions of boxes and arrows in a layered drawing, from left to right: a small form of Sugiyama's algorithm. Pure.

A box is in the column of its rank. An arrow over several columns passes each of them between the boxes, through a slot
of its own. Slots are sorted within a column by the mean position of their neighbours, in sweeps from left to
right and back. Then each slot moves towards its neighbours, as far as the slots above and below it allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_X, GAP_Y = 70, 14
ARROW_SLOT_HEIGHT = 12
"""Height of the slot of an arrow in a column that it passes."""
SWEEPS = 8


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """`places`: upper left corner of each box. `lines`: points of each arrow. In pixels."""

    places: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass
class _Slot:
    """A box, or the part of an arrow in a column that it passes. `before`, `after`: slots in the columns next to it."""

    column: int
    height: float
    before: list[int]
    after: list[int]
    y: float = 0.0


def lay_out(count: int, arrows: Sequence[tuple[int, int]], *, width: float, height: float) -> Layout:
    """The layout of `count` boxes of equal size, with arrows that form no cycle."""
    box_columns = columns_of_boxes(count, arrows)
    slots = [_Slot(box_columns[at], height, [], []) for at in range(count)]
    paths: list[list[int]] = []
    for start, end in arrows:
        path = [start]
        for between in range(box_columns[start] + 1, box_columns[end]):
            slots.append(_Slot(between, ARROW_SLOT_HEIGHT, [], []))
            path.append(len(slots) - 1)
        path.append(end)
        paths.append(path)
        for left, right in pairwise(path):
            slots[left].after.append(right)
            slots[right].before.append(left)
    order = order_slots(slots)
    place_slots(slots, order)
    upper_edge = min(slot.y - slot.height / 2 for slot in slots)
    step = width + GAP_X

    def left_and_right_point(at: int) -> list[Point]:
        slot = slots[at]
        return [Point(slot.column * step, slot.y - upper_edge), Point(slot.column * step + width, slot.y - upper_edge)]

    lines = [
        (
            left_and_right_point(path[0])[1],
            *(point for at in path[1:-1] for point in left_and_right_point(at)),
            left_and_right_point(path[-1])[0],
        )
        for path in paths
    ]
    return Layout(
        places=tuple(Point(slot.column * step, slot.y - slot.height / 2 - upper_edge) for slot in slots[:count]),
        lines=tuple(lines),
        width=(max(box_columns) + 1) * step - GAP_X,
        height=max(slot.y + slot.height / 2 for slot in slots) - upper_edge,
    )


def columns_of_boxes(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """Column of each box: the length of the longest path to it from a root."""
    after: list[list[int]] = [[] for _ in range(count)]
    unplaced = [0] * count
    for start, end in arrows:
        after[start].append(end)
        unplaced[end] += 1
    column = [0] * count
    free = [at for at in range(count) if not unplaced[at]]
    while free:
        at = free.pop()
        for end in after[at]:
            column[end] = max(column[end], column[at] + 1)
            unplaced[end] -= 1
            if not unplaced[end]:
                free.append(end)
    return column


def order_slots(slots: list[_Slot]) -> list[list[int]]:
    """The slots of each column, from top to bottom."""
    order: list[list[int]] = [[] for _ in range(max(slot.column for slot in slots) + 1)]
    for at, slot in enumerate(slots):
        order[slot.column].append(at)
    place = {at: nth for column in order for nth, at in enumerate(column)}
    for sweep in range(SWEEPS):
        left_to_right = sweep % 2 == 0
        for column in order if left_to_right else reversed(order):
            mean_places = {}
            for at in column:
                neighbours = slots[at].before if left_to_right else slots[at].after
                mean_places[at] = (
                    sum(place[other] for other in neighbours) / len(neighbours) if neighbours else float(place[at])
                )
            column.sort(key=lambda at: (mean_places[at], place[at]))
            place.update({at: nth for nth, at in enumerate(column)})
    return order


def place_slots(slots: list[_Slot], order: list[list[int]]) -> None:
    """Sets the `y` of every slot: its middle."""
    for column in order:
        stack_slots(slots, column)
    for sweep in range(SWEEPS):
        left_to_right = sweep % 2 == 0
        for column in order if left_to_right else reversed(order):
            wished_y = {}
            for at in column:
                neighbours = (
                    [*slots[at].before, *slots[at].after]
                    if sweep >= SWEEPS - 2
                    else (slots[at].before if left_to_right else slots[at].after)
                )
                wished_y[at] = (
                    sum(slots[other].y for other in neighbours) / len(neighbours) if neighbours else slots[at].y
                )
            move_slots(slots, column, wished_y)


def stack_slots(slots: list[_Slot], column: list[int]) -> None:
    total = sum(slots[at].height + GAP_Y for at in column) - GAP_Y
    y = -total / 2
    for at in column:
        slots[at].y = y + slots[at].height / 2
        y += slots[at].height + GAP_Y


@dataclass
class _Block:
    """Slots of a column without space between them. `wishes`: sum over them of the `y` of the first slot that would put
    each one where it should be."""

    members: list[int]
    wishes: float
    height: float

    @property
    def middle(self) -> float:
        """Of the first slot."""
        return self.wishes / len(self.members)


def move_slots(slots: list[_Slot], column: list[int], wished_y: dict[int, float]) -> None:
    """Moves each slot as near to its `wished_y` as the order allows. Slots that would overlap form a block, which
    moves to the mean of their wishes."""
    blocks: list[_Block] = []
    for at in column:
        block = _Block([at], wished_y[at], slots[at].height)
        while blocks and block_top(slots, block) < block_top(slots, blocks[-1]) + blocks[-1].height + GAP_Y:
            above = blocks.pop()
            shift = above.height + GAP_Y + (slots[block.members[0]].height - slots[above.members[0]].height) / 2
            above.wishes += block.wishes - shift * len(block.members)
            above.height += GAP_Y + block.height
            above.members += block.members
            block = above
        blocks.append(block)
    for block in blocks:
        y = block_top(slots, block)
        for at in block.members:
            slots[at].y = y + slots[at].height / 2
            y += slots[at].height + GAP_Y


def block_top(slots: list[_Slot], block: _Block) -> float:
    return block.middle - slots[block.members[0]].height / 2
