"""The tree of tallies of a run: each record gathers at most FAN_IN others, the root tells when the run is done.

Apart from the plan (functions/core/workflows/dag.py), because every function that settles tasks needs it at its start.
"""

from __future__ import annotations

from typing import NamedTuple

FAN_IN = 40
"""A record waits for at most so many others: 40 indexes of up to 6 digits stay well inside a write unit of 1 KB."""


class Tally(NamedTuple):
    """One record of the tree that tells when a run is done. Level 0 gathers nodes; each higher level gathers the
    tallies of the level below."""

    level: int
    number: int


def leaf_tally(index: int) -> Tally:
    """The tally of level 0 that counts node `index`."""
    return Tally(0, index // FAN_IN)


def parent_tally(tally: Tally, nodes: int) -> Tally | None:
    """The tally that gathers this one. None for the root: when it is complete, the run is done."""
    return None if tallies_on_level(nodes, tally.level) == 1 else Tally(tally.level + 1, tally.number // FAN_IN)


def tallies_on_level(nodes: int, level: int) -> int:
    """The number of tallies on a level."""
    count = nodes
    for _ in range(level + 1):
        count = -(-count // FAN_IN)
    return count


def tally_levels(nodes: int) -> int:
    level = 0
    while tallies_on_level(nodes, level) > 1:
        level += 1
    return level + 1
