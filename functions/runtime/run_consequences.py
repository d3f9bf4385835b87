"""What a settled node does to its run: it releases the nodes that wait for it, and is counted.

All of it is idempotent, and run again it finishes what was begun. The order matters: a node is counted after its
dependents are released or skipped, so a run is never complete while a node still waits to be released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from functions.aws.executions import Executions
from functions.aws.queues import MESSAGES_PER_CALL
from functions.core.states import DEAD_LETTER_STATES, State
from functions.core.task import RunMembership, Task
from functions.core.workflows.run import RunState, node_task_id
from functions.core.workflows.tallies import leaf_tally, parent_tally
from functions.runtime.dispatch import Dispatcher
from functions.runtime.parallel import map_threads
from functions.store.runs import RunStore
from functions.store.tasks import Applied, TaskStore

STALE_MS = 10_000
"""A worker drops a wake-up without its write after the longest time-out of a worker (functions/core/wakeup.py). The
workflow function may run longer than that: it does not write what it has sent a wake-up for so long ago."""


class RunConsequences:
    """`clock`: epoch ms."""

    def __init__(
        self,
        *,
        tasks: TaskStore,
        runs: RunStore,
        dispatcher: Dispatcher,
        executions: Executions,
        clock: Callable[[], int],
    ) -> None:
        self.tasks = tasks
        self.runs = runs
        self.dispatcher = dispatcher
        self.executions = executions
        self.clock = clock

    def release_dependents(self, node: Task, member: RunMembership) -> None:
        """Releases, or skips, the nodes that wait for this settled node, directly or through joins. `member`: of
        `node`."""
        edges = [(member.index, index) for index in self._dependent_indexes(node, member)]
        while edges:
            indexes_by_source: dict[int, list[int]] = {}
            for source, index in edges:
                if index < member.nodes:
                    indexes_by_source.setdefault(source, []).append(index)
            for source, indexes in indexes_by_source.items():
                self._resolve_nodes(node, member, str(source), indexes)
            # An index from `nodes` on is a join.
            joins = [(source, index) for source, index in edges if index >= member.nodes]
            edges = [(join, index) for source, join in joins for index in self._pass_join(node, member, source, join)]
        if node.state in DEAD_LETTER_STATES and member.fail_fast:
            self._fail_run(node.tenant, member)

    def count_node(self, node: Task, member: RunMembership) -> None:
        """After `release_dependents`. Climbs the tree of tallies; a complete root completes the run."""
        tally, arrived = leaf_tally(member.index), member.index
        counted: State | None = State(node.state)
        while True:
            gathered = self.runs.arrive_at_tally(node.tenant, member.run, member.round, tally, arrived, state=counted)
            if not gathered.complete:
                return
            parent = parent_tally(tally, member.nodes)
            if parent is None:
                self._complete_run(node.tenant, member)
                return
            tally, arrived, counted = parent, tally.number, None

    def release_nodes(self, nodes: Iterable[Task], *, last: str | None = None) -> None:
        """Makes BLOCKED nodes runnable that wait for nothing, or for `last` only. Messages go out before records."""

        def release_ten(ten: Sequence[Task]) -> None:
            todo = list(ten)
            while todo:
                now = self.clock()
                self.dispatcher.send_next_wakeups(todo, now=now)
                todo = [again for node in todo if (again := self._release(node, now, last))]

        self._map_tens(release_ten, nodes)

    def upstream_indexes(self, node: Task, member: RunMembership) -> tuple[int, ...]:
        """Indexes of the nodes whose results `node` reads."""
        if not member.upstream_chunks:
            return member.upstreams
        return member.upstreams + self.runs.chunks(node.tenant, node.id, "UPSTREAMS", member.upstream_chunks)

    def _dependent_indexes(self, node: Task, member: RunMembership) -> tuple[int, ...]:
        """Indexes of the nodes and joins that wait for `node`."""
        if not member.release_chunks:
            return member.releases
        return member.releases + self.runs.chunks(node.tenant, node.id, "RELEASES", member.release_chunks)

    def _release(self, node: Task, now: int, last: str | None) -> Task | None:
        """The node, when it must be released again: a request has rescheduled it since it was read, and needs a wake-up
        for the new time; or this function was suspended, and a worker may drop the wake-up before its write lands."""
        if self.clock() - now > STALE_MS:
            return node
        result = self.tasks.release(node, now=now, last=last)
        if isinstance(result, Applied) or result.task is None:
            return None
        unchanged = result.task.state is State.BLOCKED and result.task.generation == node.generation
        return result.task if unchanged and result.task.waiting_for <= {last} else None

    def _pass_join(self, node: Task, member: RunMembership, source: int, join: int) -> tuple[int, ...]:
        """Indexes that a join releases: all of them once it is complete, and at once when `node` did not succeed."""
        if node.state is not State.SUCCESS:
            return self.runs.join_releases(node.tenant, member.run, join)
        gathered, releases = self.runs.arrive_at_join(node.tenant, member.run, join, source)
        return releases if gathered.complete else ()

    def _resolve_nodes(self, node: Task, member: RunMembership, source: str, indexes: list[int]) -> None:
        """Releases, or skips, the nodes that wait for `source`: `node` itself, or a join behind it. Nodes that wait no
        more were handled by an earlier delivery. Nodes of a later round do not wait for this one: when that round
        began, it took successful nodes into account, and runs the others again."""
        ids = [node_task_id(member.run, index) for index in indexes]
        nodes = self.tasks.get_by_ids(node.tenant, ids, consistent=True).values()
        waiting = [task for task in nodes if is_waiting(task, member.round)]
        if node.state is not State.SUCCESS:
            self._skip_nodes(waiting, reason=f"node {member.name} ended as {node.state}")
            return
        ready = [task for task in waiting if task.waiting_for <= {source}]
        self.release_nodes(ready, last=source)
        others = [task for task in waiting if not task.waiting_for <= {source}]
        emptied = map_threads(lambda task: self._discard_waiting(task, source, member.round), others)
        self.release_nodes(filter(None, emptied))

    def _discard_waiting(self, task: Task, source: str, round_: int) -> Task | None:
        """The task, when `source` was the last that it waited for."""
        result = self.tasks.discard_waiting(task.tenant, task.id, source)
        emptied = isinstance(result, Applied) and not result.task.waiting_for and is_waiting(result.task, round_)
        return result.task if emptied else None

    def _skip_nodes(self, nodes: Iterable[Task], *, reason: str) -> None:
        """Messages go out before records: the wake-up of a skipped node runs its consequences."""

        def skip_ten(ten: Sequence[Task]) -> None:
            now = self.clock()
            self.dispatcher.send_next_wakeups(ten, now=now, at_once=True)
            for node in ten:
                self.tasks.skip(node, now=now, reason=reason)

        self._map_tens(skip_ten, nodes)

    def _complete_run(self, tenant: str, member: RunMembership) -> None:
        """Answers the waiting execution. Without a token yet, the step that stores it reads the root afterwards."""
        run = self.runs.get(tenant, member.run)
        if run is not None and run.round == member.round and run.state is RunState.RUNNING and run.token:
            self.executions.send_success(run.token, {"outcome": "done"})

    def _fail_run(self, tenant: str, member: RunMembership) -> None:
        """Marks the run, then answers the waiting execution. When none waits, the step that stores the next token reads
        the mark."""
        run = self.runs.mark_failing(tenant, member.run, member.round)
        if run is not None and run.token:
            self.executions.send_success(run.token, {"outcome": "cancel"})

    def _map_tens(self, work: Callable[[Sequence[Task]], None], tasks: Iterable[Task]) -> None:
        todo = list(tasks)
        map_threads(work, [todo[at : at + MESSAGES_PER_CALL] for at in range(0, len(todo), MESSAGES_PER_CALL)])


def is_waiting(task: Task, round_: int) -> bool:
    """Whether the task waits as a node of this round."""
    return task.state is State.BLOCKED and task.membership is not None and task.membership.round == round_
