"""What is asked of the system: tasks a second, and of what kinds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from functions.core.workflows.dag import Node


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A DAG that workflows have: `roots` nodes, each level before the last as wide, one node at the end that waits for
    all of the level before it. 1 × n is a chain, n wide and 3 levels a fan-out with its fan-in."""

    name: str
    width: int
    levels: int
    runs_share: float
    """Of all runs."""

    def nodes(self) -> list[Node]:
        first = [Node("start")]
        levels = [
            [Node(f"n{level}.{at}", self._upstreams(level, at)) for at in range(self.width)]
            for level in range(1, self.levels - 1)
        ]
        last = tuple(node.name for node in (levels[-1] if levels else first))
        return [*first, *(node for level in levels for node in level), Node("end", last)]

    def _upstreams(self, level: int, at: int) -> tuple[str, ...]:
        return ("start",) if level == 1 else (f"n{level - 1}.{at}",)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Rates are per second and sustained. Shares are of all tasks submitted alone, unless they say otherwise."""

    tasks_per_second: float
    """All tasks that run, nodes of workflows included."""
    node_share: float = 0.1
    """Of all tasks: nodes of workflows."""
    tasks_per_request: float = 1.0
    """Submitted with one request, up to 100."""
    reads_per_task: float = 1.0
    """GET /tasks/{id}."""
    delayed_share: float = 0.2
    """Due within 15 minutes: waits in its queue."""
    timer_share: float = 0.05
    """Due later than that: waits as a schedule."""
    timer_days: float = 3.0
    """How long such a schedule is held, on average."""
    retries_per_task: float = 0.05
    """Attempts beyond the first, per task."""
    dead_share: float = 0.002
    """End as FAILED or DEAD."""
    handler_seconds: float = 0.05
    large_share: float = 0.2
    """Payload in an item of its own, of `large_kilobytes`."""
    large_kilobytes: float = 4.0
    document_share: float = 0.001
    """Payload above 256 KB: in S3."""
    lanes: tuple[tuple[str, float], ...] = (("high", 0.2), ("normal", 0.6), ("low", 0.2))
    tenants: int = 100
    busiest_tenant_share: float = 0.3
    run_seconds: float = 600.0
    """From a run's start to its end."""
    notified_share: float = 0.01
    """Tasks with a notification: one execution each."""
    shapes: tuple[Shape, ...] = field(
        default=(
            Shape(name="chain of 5", width=1, levels=5, runs_share=0.6),
            Shape(name="fan of 100", width=100, levels=3, runs_share=0.39),
            Shape(name="fan of 9,998", width=9998, levels=3, runs_share=0.01),
        )
    )

    @property
    def alone_per_second(self) -> float:
        return self.tasks_per_second * (1 - self.node_share)

    @property
    def nodes_per_run(self) -> float:
        return sum(shape.runs_share * (2 + shape.width * (shape.levels - 2)) for shape in self.shapes)

    @property
    def runs_per_second(self) -> float:
        return self.tasks_per_second * self.node_share / self.nodes_per_run

    @property
    def attempts_per_second(self) -> float:
        return self.tasks_per_second * (1 + self.retries_per_task)

    def at(self, tasks_per_second: float) -> Workload:
        return replace(self, tasks_per_second=tasks_per_second)
