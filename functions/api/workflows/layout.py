"""Places of boxes in a layered drawing, left to right: after Sugiyama, small. Pure.

A box stands in the column of its rank. An arrow over several columns passes each between the boxes, through a slot of
its own. The order within columns follows the mean place of the neighbours, swept forth and back; then each box moves
towards its neighbours as far as its own neighbours above and below let it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_X, GAP_Y = 70, 14
SLOT = 12
"""Height of an arrow's way through a column."""
SWEEPS = 8


@dataclass(frozen=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True)
class Layout:
    """`places`: upper left corner of each box; `lines`: the points of each arrow. In pixels."""

    places: tuple[Point, ...]
    lines: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass
class _Slot:
    """A box, or an arrow's way through a column."""

    column: int
    height: float
    before: list[int]
    after: list[int]
    y: float = 0.0


def lay_out(count: int, arrows: Sequence[tuple[int, int]], *, width: float, height: float) -> Layout:
    """Of `count` boxes, all of one size, with arrows that make no cycle."""
    column = columns(count, arrows)
    slots = [_Slot(column[at], height, [], []) for at in range(count)]
    ways: list[list[int]] = []
    for start, end in arrows:
        way = [start]
        for between in range(column[start] + 1, column[end]):
            slots.append(_Slot(between, SLOT, [], []))
            way.append(len(slots) - 1)
        way.append(end)
        ways.append(way)
        for left, right in pairwise(way):
            slots[left].after.append(right)
            slots[right].before.append(left)
    order = order_slots(slots)
    place_slots(slots, order)
    top = min(slot.y - slot.height / 2 for slot in slots)
    step = width + GAP_X

    def passed(at: int) -> list[Point]:
        slot = slots[at]
        return [Point(slot.column * step, slot.y - top), Point(slot.column * step + width, slot.y - top)]

    lines = [
        (passed(way[0])[1], *(point for at in way[1:-1] for point in passed(at)), passed(way[-1])[0]) for way in ways
    ]
    return Layout(
        places=tuple(Point(slot.column * step, slot.y - slot.height / 2 - top) for slot in slots[:count]),
        lines=tuple(lines),
        width=(max(column) + 1) * step - GAP_X,
        height=max(slot.y + slot.height / 2 for slot in slots) - top,
    )


def columns(count: int, arrows: Sequence[tuple[int, int]]) -> list[int]:
    """The longest way from a root."""
    after: list[list[int]] = [[] for _ in range(count)]
    left = [0] * count
    for start, end in arrows:
        after[start].append(end)
        left[end] += 1
    column = [0] * count
    free = [at for at in range(count) if not left[at]]
    while free:
        at = free.pop()
        for end in after[at]:
            column[end] = max(column[end], column[at] + 1)
            left[end] -= 1
            if not left[end]:
                free.append(end)
    return column


def order_slots(slots: list[_Slot]) -> list[list[int]]:
    """Per column the slots from top to bottom."""
    order: list[list[int]] = [[] for _ in range(max(slot.column for slot in slots) + 1)]
    for at, slot in enumerate(slots):
        order[slot.column].append(at)
    place = {at: nth for column in order for nth, at in enumerate(column)}
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for column in order if forth else reversed(order):
            mean = {}
            for at in column:
                near = slots[at].before if forth else slots[at].after
                mean[at] = sum(place[other] for other in near) / len(near) if near else float(place[at])
            column.sort(key=lambda at: (mean[at], place[at]))
            place.update({at: nth for nth, at in enumerate(column)})
    return order


def place_slots(slots: list[_Slot], order: list[list[int]]) -> None:
    """Gives every slot its `y`, the middle of it."""
    for column in order:
        stack(slots, column)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for column in order if forth else reversed(order):
            wanted = {}
            for at in column:
                near = (
                    [*slots[at].before, *slots[at].after]
                    if sweep >= SWEEPS - 2
                    else (slots[at].before if forth else slots[at].after)
                )
                wanted[at] = sum(slots[other].y for other in near) / len(near) if near else slots[at].y
            spread(slots, column, wanted)


def stack(slots: list[_Slot], column: list[int]) -> None:
    total = sum(slots[at].height + GAP_Y for at in column) - GAP_Y
    y = -total / 2
    for at in column:
        slots[at].y = y + slots[at].height / 2
        y += slots[at].height + GAP_Y


@dataclass
class _Block:
    """Neighbours that touch. `wishes`: sum of what each wishes the first one's middle to be."""

    members: list[int]
    wishes: float
    height: float

    @property
    def middle(self) -> float:
        """Of the first one."""
        return self.wishes / len(self.members)


def spread(slots: list[_Slot], column: list[int], wanted: dict[int, float]) -> None:
    """Each as near to where it is wanted as the order allows: neighbours that collide share what they wish for."""
    blocks: list[_Block] = []
    for at in column:
        block = _Block([at], wanted[at], slots[at].height)
        while blocks and top(slots, block) < top(slots, blocks[-1]) + blocks[-1].height + GAP_Y:
            above = blocks.pop()
            shift = above.height + GAP_Y + (slots[block.members[0]].height - slots[above.members[0]].height) / 2
            above.wishes += block.wishes - shift * len(block.members)
            above.height += GAP_Y + block.height
            above.members += block.members
            block = above
        blocks.append(block)
    for block in blocks:
        y = top(slots, block)
        for at in block.members:
            slots[at].y = y + slots[at].height / 2
            y += slots[at].height + GAP_Y


def top(slots: list[_Slot], block: _Block) -> float:
    return block.middle - slots[block.members[0]].height / 2
