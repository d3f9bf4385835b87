"""What a settled node does to its run: releases the nodes that wait for it, and is counted.

All of it is idempotent, and run again it finishes what was begun (design §2, rule 3). The order matters: a node is
counted after its dependents are dealt with, so that a run is never done while somebody still waits to be released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from functions.aws.executions import Executions
from functions.core.dag import above, tally_of
from functions.core.run import RunState, node_id
from functions.core.states import State
from functions.core.task import Membership, Task
from functions.runtime.dispatch import Dispatcher
from functions.store.runs import RunStore
from functions.store.tasks import TaskStore, Wrote


@dataclass(frozen=True, kw_only=True)
class Runs:
    """`clock`: epoch ms. `side_by_side`: how many of a node's dependents are written at once; 1: one after another."""

    tasks: TaskStore
    runs: RunStore
    dispatcher: Dispatcher
    executions: Executions
    clock: Callable[[], int]
    side_by_side: int = 16

    def settle(self, node: Task, member: Membership) -> None:
        """Releases, or skips, the nodes that wait for this one, directly or through joins."""
        open_ = [(member.index, index) for index in self._releases(node, member)]
        while open_:
            waiting: dict[int, list[int]] = {}
            for via, index in open_:
                if index < member.nodes:
                    waiting.setdefault(via, []).append(index)
            for via, indexes in waiting.items():
                self._resolve(node, member, str(via), indexes)
            joins = [(via, index) for via, index in open_ if index >= member.nodes]
            open_ = [(join, index) for via, join in joins for index in self._through(node, member, via, join)]
        if node.state is not State.SUCCESS and member.fail_fast:
            self._tell(node.tenant, member, "cancel")

    def count(self, node: Task, member: Membership) -> None:
        """Once all of `settle` is done. Climbs the tree; at its root the run is told that it is done."""
        tally, arrived, state = tally_of(member.index), member.index, State(node.state)
        counted: State | None = state
        while True:
            gathered = self.runs.arrive_at_tally(node.tenant, member.run, member.round, tally, arrived, state=counted)
            if not gathered.complete:
                return
            parent = above(tally, member.nodes)
            if parent is None:
                self._tell(node.tenant, member, "done")
                return
            tally, arrived, counted = parent, tally.number, None

    def release(self, nodes: Iterable[Task], *, last: str | None = None) -> None:
        """Puts BLOCKED nodes that wait for nothing, or for `last` only, on their way: message first."""

        def one(node: Task) -> None:
            now = self.clock()
            at = max(node.available_at, now)
            self.dispatcher.dispatch(node, generation=node.generation + 1, at=at, now=now)
            self.tasks.release(node, now=at, last=last)

        self._each(one, nodes)

    def _through(self, node: Task, member: Membership, via: int, join: int) -> tuple[int, ...]:
        """What a join passes on: everything once it is complete, and at once when something did not succeed."""
        if node.state is not State.SUCCESS:
            return self.runs.join_releases(node.tenant, member.run, join)
        gathered, releases = self.runs.arrive_at_join(node.tenant, member.run, join, via)
        return releases if gathered.complete else ()

    def _resolve(self, node: Task, member: Membership, via: str, indexes: list[int]) -> None:
        """The nodes that wait for `via`: `node` itself, or a join behind it. Those that wait no more were dealt with
        by an earlier delivery."""
        ids = [node_id(member.run, index) for index in indexes]
        found = self.tasks.get_many(node.tenant, ids, consistent=True).values()
        waiting = [task for task in found if task.state is State.BLOCKED]
        if node.state is not State.SUCCESS:
            self._skip(waiting, reason=f"node {member.name} ended as {node.state}")
            return
        self.release([task for task in waiting if task.waiting_for <= {via}], last=via)

        def discard(task: Task) -> None:
            answer = self.tasks.discard_waiting(task.tenant, task.id, via)
            if isinstance(answer, Wrote) and not answer.task.waiting_for:
                self.release([answer.task])

        self._each(discard, [task for task in waiting if not task.waiting_for <= {via}])

    def _skip(self, nodes: Iterable[Task], *, reason: str) -> None:
        """Message first: the wake-up of a skipped node runs its consequences."""

        def one(node: Task) -> None:
            now = self.clock()
            self.dispatcher.dispatch(node, generation=node.generation + 1, at=now, now=now)
            self.tasks.skip(node, now=now, reason=reason)

        self._each(one, nodes)

    def _releases(self, node: Task, member: Membership) -> tuple[int, ...]:
        if not member.release_chunks:
            return member.releases
        return member.releases + self.runs.chunks(node.tenant, node.id, "RELEASES", member.release_chunks)

    def upstreams(self, node: Task, member: Membership) -> tuple[int, ...]:
        """Indexes of the nodes whose results `node` reads."""
        if not member.upstream_chunks:
            return member.upstreams
        return member.upstreams + self.runs.chunks(node.tenant, node.id, "UPSTREAMS", member.upstream_chunks)

    def _tell(self, tenant: str, member: Membership, outcome: str) -> None:
        """Answers the execution that waits. No token yet: the step that stores it looks at the root afterwards."""
        run = self.runs.get(tenant, member.run)
        if run is not None and run.round == member.round and run.state is RunState.RUNNING and run.token:
            self.executions.answer(run.token, {"outcome": outcome})

    def _each(self, work: Callable[[Task], None], tasks: Iterable[Task]) -> None:
        todo = list(tasks)
        if self.side_by_side == 1 or len(todo) < 3:
            for task in todo:
                work(task)
            return
        with ThreadPoolExecutor(min(self.side_by_side, len(todo))) as threads:
            for _ in threads.map(work, todo):
                pass
