"""Pools and lanes: which queue carries the wake-ups of a task. Pure.

A pool is what runs a package of task types: a worker function with its own packages, memory and time-out. A lane is one
queue of a pool. A task has no pool of its own: its type has one, as task-types.json says. So a type can move to another
pool with a deployment, and the tasks that wait move with it (docs/adr/0032).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.core.task import Task

if TYPE_CHECKING:
    from functions.core.task_types import Registry

DEFAULT_POOL = "default"
BANDS = ("high", "normal", "low")
"""Of priorities. The lanes of the default pool have the same names."""
RESERVED_NAMES = (DEFAULT_POOL, *BANDS)
POOL_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class Pool(NamedTuple):
    """`lanes`: their names, either one for all priorities or one for each of BANDS. `timeout_seconds`: of its worker
    function. `shares_base`: it has no packages of its own, so every function can import its handlers."""

    name: str
    lanes: tuple[str, ...]
    timeout_seconds: int
    shares_base: bool

    @classmethod
    def from_json(cls, name: str, entry: dict[str, Any]) -> Pool:
        """`entry`: of `pools` in task-types.json. Raises ValueError when it is no pool."""
        pool = cls(name, tuple(entry["lanes"]), entry["timeoutSeconds"], entry["sharesBase"])
        if len(pool.lanes) not in (1, len(BANDS)):
            raise ValueError(f"pool {name!r} has {len(pool.lanes)} lanes; a pool has 1 or {len(BANDS)}")
        return pool

    def to_json(self) -> dict[str, Any]:
        return {"lanes": list(self.lanes), "timeoutSeconds": self.timeout_seconds, "sharesBase": self.shares_base}


DEFAULT = Pool(DEFAULT_POOL, BANDS, 60, True)
"""Without other data. Its time-out is what WORKER_TIMEOUT_SECONDS says."""


def pool_name_fault(name: str) -> str | None:
    """Why no pool can have this name besides the default one. None: one can."""
    if name in RESERVED_NAMES:
        return f"{name!r} is the name of the default pool or of one of its lanes"
    if not POOL_NAME.fullmatch(name):
        return f"{name!r} must be a lower-case letter, then up to 30 lower-case letters, digits or dashes"
    return None


def lane_names(pool: str, *, by_priority: bool = False) -> tuple[str, ...]:
    """The lanes of a pool of this name. `by_priority`: three, not one; the default pool always has three."""
    if pool == DEFAULT_POOL:
        return BANDS
    return tuple(f"{pool}-{band}" for band in BANDS) if by_priority else (pool,)


def band_of(priority: int) -> str:
    """Of 0-9. Within a lane priorities make no order: SQS has none."""
    if priority >= 7:
        return "high"
    return "normal" if priority >= 3 else "low"


def lane_of(pool: Pool, priority: int) -> str:
    return pool.lanes[0] if len(pool.lanes) == 1 else pool.lanes[BANDS.index(band_of(priority))]


class Routing:
    """The lane of each task of a deployment. `lanes`: the names of its lanes. `registry`: read only when there are
    other pools than the default one: without them, no function reads task types to send a wake-up."""

    def __init__(self, lanes: Collection[str], registry: Callable[[], Registry]) -> None:
        self.registry = registry
        self.has_pools = any(lane not in BANDS for lane in lanes)

    def lane_of(self, type: str, priority: int) -> str:
        """`type`: one that the registry does not have is of the default pool, whose worker fails the task."""
        return lane_of(self.registry().pool_of(type), priority) if self.has_pools else band_of(priority)

    def lane_of_task(self, task: Task) -> str:
        return self.lane_of(task.type, task.priority)

    def runs_in(self, type: str, lane: str) -> bool:
        """Whether the worker of `lane` runs tasks of the type: it does when the lane is of the type's pool. False for
        "", which may be any type."""
        return not self.has_pools or (type != "" and lane in self.registry().pool_of(type).lanes)

    def longest_timeout(self, own_timeout: int) -> int:
        """Seconds: the longest time-out of a worker. `own_timeout`: WORKER_TIMEOUT_SECONDS of this function."""
        if not self.has_pools:
            return own_timeout
        return max(own_timeout, *(pool.timeout_seconds for pool in self.registry().pools.values()))
