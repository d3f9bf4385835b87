"""What must hold of workflows: watched at every write of a run and of its nodes, and once more at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from functions.core.notifications.events import run_notifications
from functions.core.states import TERMINAL, State
from functions.core.task import RunMembership, Task
from functions.core.workflows import definition
from functions.core.workflows.run import OPEN_NODES, OPEN_RUN_STATES, NodeSpec, Run, RunState, node_task_id
from functions.store import keys
from functions.store.records import task_from_item
from functions.store.runs import run_from_item
from tests.simulation.deployment import ACCOUNT
from tests.simulation.fibers import SECOND

if TYPE_CHECKING:
    from taskyard.tasks.context import Context

    from tests.simulation.world import World

Item = dict[str, Any]
PATIENCE = 6 * 3600 * SECOND
"""Between the end of a run's last node and the run's own: redeliveries take minutes, a deadline is further away."""
WAITS = frozenset({State.BLOCKED, State.PENDING, State.READY})


class RunRules:
    def __init__(self, world: World) -> None:
        self.world = world
        self.accepted: dict[str, dict[str, list[str]]] = {}
        """Run → its nodes' names and what each waits for, as they were submitted."""
        self.cancelled: set[tuple[str, int]] = set()
        """Run and round whose cancel was answered with 204."""
        self.released: Counter[tuple[str, int]] = Counter()
        self.last_end: dict[tuple[str, int], int] = {}
        """Run and round → when the last of its nodes ended, so far."""
        self._specs: dict[str, list[NodeSpec]] = {}

    def accept(self, run: str, nodes: list[dict[str, Any]]) -> None:
        shape = {node["name"]: node.get("dependsOn", []) for node in nodes}
        if self.accepted.setdefault(run, shape) != shape:
            self.world.violate(f"run {run}: two different bodies under one key were both accepted")

    # -- what the records say

    def run(self, identity: str) -> Run:
        item = self.world.table.item(keys.run_key(ACCOUNT, identity)["pk"]["S"], keys.WORKFLOW)
        assert item is not None
        return run_from_item(item)

    def specs(self, run: Run) -> list[NodeSpec]:
        if run.id not in self._specs:
            self._specs[run.id] = definition.definition_from_json(self.world.document(run.id, run.definition))
        return self._specs[run.id]

    def nodes(self, run: Run) -> dict[int, Task]:
        found = {}
        for index in range(run.nodes):
            item = self.world.table.item(keys.task_partition(ACCOUNT, node_task_id(run.id, index)), keys.TASK)
            if item is not None:
                found[index] = task_from_item(item)
        return found

    def upstreams(self, member: RunMembership) -> list[str]:
        """Ids of the tasks that a node waits for, by the definition and nothing else."""
        specs = self.specs(self.run(member.run))
        index = {spec.name: at for at, spec in enumerate(specs)}
        return [node_task_id(member.run, index[name]) for name in specs[member.index].depends_on]

    # -- writes

    def write(self, process: Any, before: Item | None, after: Item | None) -> None:
        """Of a run's record."""
        violate = self.world.violate
        if after is None:
            violate("a run's record was deleted")
            return
        run = run_from_item(after)
        if self.world.log is not None:
            self.world.trace(process.name, f"    run {run.id[-8:]}: {run.state}, round {run.round} {run.counts or ''}")
        if before is None:
            if (run.state, run.round) != (RunState.PENDING, 1):
                violate(f"run {run.id} began as {run.state}, round {run.round}")
            return
        was = run_from_item(before)
        if was.ended:
            if (run.state, run.round) != (RunState.PENDING, was.round + 1) or was.state is RunState.SUCCESS:
                violate(f"run {run.id} had ended as {was.state}, then {process.name} made it {run.state}")
        elif run.round != was.round or (run.state is RunState.PENDING and was.state is not RunState.PENDING):
            violate(f"run {run.id} went from {was.state}, round {was.round}, to {run.state}, round {run.round}")
        elif run.ended:
            self._ended(run)

    def _ended(self, run: Run) -> None:
        violate = self.world.violate
        self.world.count(f"runs {run.state}")
        self.world.watch.owed |= {note.name: run.id for note in run_notifications(run)}
        nodes = self.nodes(run)
        states = Counter(str(task.state) for task in nodes.values())
        counted = {state: count for state, count in run.counts.items() if state != OPEN_NODES}
        if sum(run.counts.values()) != run.nodes:
            violate(f"run {run.id}: {run.counts} are not its {run.nodes} nodes")
        if any(count > states[state] for state, count in counted.items()):
            violate(f"run {run.id}: counts {run.counts}, its nodes are {dict(states)}")
        done = run.state is RunState.SUCCESS or str(run.reason).startswith("not every node")
        if done and counted != states:
            violate(f"run {run.id} is over, {run.reason}, and its nodes are {dict(states)}")
        if (run.state is RunState.SUCCESS) != (counted == {State.SUCCESS: run.nodes}):
            violate(f"run {run.id} is {run.state} with {run.counts}")
        if (run.id, run.round) in self.cancelled and run.state is not RunState.CANCELLED and not done:
            violate(f"run {run.id} is {run.state}, {run.reason}, though its cancel was answered with 204")
        if left := [task.id for task in nodes.values() if task.state in WAITS]:
            violate(f"run {run.id} is {run.state}, and {left} wait")
        ended = self.last_end.get((run.id, run.round), self.world.hub.now)
        if all(task.settled for task in nodes.values()) and self.world.hub.now - ended > PATIENCE:
            violate(f"run {run.id}: its last node did not report its end; its deadline ended it")

    def again(self, process: Any, before: Item, after: Item) -> bool:
        """Whether this is a node that a new round takes up."""
        if "run" not in after or process.function != "workflow":
            return False
        was, node = task_from_item(before), task_from_item(after)
        assert was.membership is not None
        assert node.membership is not None
        return (
            node.state is State.BLOCKED
            and was.state in TERMINAL - {State.SUCCESS}
            and node.membership.round == self.run(node.membership.run).round > was.membership.round
        )

    def node(self, process: Any, was: State, node: Task, member: RunMembership) -> None:
        """A node's record was written, by which no attempt began."""
        violate = self.world.violate
        if node.settled:
            self.last_end[member.run, member.round] = self.world.hub.now
            if process.function == "workflow" and process.event["round"] < member.round:
                violate(
                    f"node {node.id} of round {member.round} is ended by {process.name}, which is of a round before"
                )
        if was is not State.BLOCKED or node.state not in (State.PENDING, State.READY):
            return
        self.released[node.id, member.round] += 1
        if self.released[node.id, member.round] > 1:
            violate(f"node {node.id} is released twice in round {member.round}")
        run = self.run(member.run)
        if run.ended or run.round != member.round:
            violate(f"node {node.id} of round {member.round} is released, its run is {run.state}, round {run.round}")
        for upstream, state in self.not_succeeded(member):
            violate(f"node {node.id} is released, its upstream {upstream} is {state}")

    def claimed(self, was: State, node: Task, member: RunMembership) -> None:
        if was in (State.PENDING, State.READY) and self.run(member.run).ended:
            self.world.violate(f"node {node.id} starts, its run is over")
        for upstream, state in self.not_succeeded(member):
            self.world.violate(f"node {node.id} starts, its upstream {upstream} is {state}")

    def started(self, ctx: Context) -> None:
        """It reads the results of the nodes before it, whatever number of records names them."""
        item = self.world.table.item(keys.task_partition(ACCOUNT, ctx.task_id), keys.TASK)
        member = task_from_item(item).membership if item is not None else None
        if member is not None:
            before = self.specs(self.run(member.run))[member.index].depends_on
            if sorted(ctx.inputs) != sorted(before):
                self.world.violate(f"node {ctx.task_id} reads {sorted(ctx.inputs)}, it comes after {sorted(before)}")

    def not_succeeded(self, member: RunMembership) -> Iterator[tuple[str, str]]:
        for upstream in self.upstreams(member):
            found = self.world.table.item(keys.task_partition(ACCOUNT, upstream), keys.TASK)
            if found is None or found["state"]["S"] != State.SUCCESS:
                yield upstream, found["state"]["S"] if found else "not there"

    # -- at rest

    def known(self) -> dict[str, Run]:
        """All that have a record."""
        items = (item for item in self.world.table.items() if item["sk"]["S"] == keys.WORKFLOW)
        return {run.id: run for run in map(run_from_item, items)}

    def at_rest(self) -> None:
        violate = self.world.violate
        runs = self.known()
        for missing in sorted(self.accepted.keys() - runs.keys()):
            violate(f"run {missing} was accepted and has no record")
        executions = self.world.executions.runs
        for name, execution in executions.items():
            if execution.status == "RUNNING":
                violate(f"execution {name} still runs")
        for run in runs.values():
            self._rests(run)
            for round_ in range(1, run.round + 1):
                mine = [
                    execution
                    for name, execution in executions.items()
                    if name.startswith(f"{run.id}-{round_}") and execution.status == "SUCCEEDED"
                ]
                if not mine:
                    violate(f"run {run.id}: no execution saw round {round_} to its end")

    def _rests(self, run: Run) -> None:
        violate = self.world.violate
        if run.state in OPEN_RUN_STATES:
            violate(f"run {run.id} rests in {run.state}")
            return
        if run.id in self.accepted:
            specs = self.specs(run)
            if {spec.name: sorted(spec.depends_on) for spec in specs} != {
                name: sorted(set(upstreams)) for name, upstreams in self.accepted[run.id].items()
            }:
                violate(f"run {run.id} is not what was submitted")
        nodes = self.nodes(run)
        states = Counter(str(task.state) for task in nodes.values())
        # Those that ran when it ended have ended since; the others are as they were counted.
        since = states - Counter(run.counts)
        if Counter(run.counts) - states - Counter({OPEN_NODES: run.nodes}) or since.total() > run.counts.get(
            OPEN_NODES, 0
        ):
            violate(f"run {run.id}: counts {run.counts}, its nodes rest as {dict(states)}")
