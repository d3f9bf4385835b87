"""What a settled node does to its run: releases the nodes that wait for it, and is counted.

All of it is idempotent, and run again it finishes what was begun (design §2, rule 3). The order matters: a node is
counted after its dependents are dealt with, so that a run is never done while somebody still waits to be released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from functions.aws.executions import Executions
from functions.aws.queues import MESSAGES_PER_CALL
from functions.core.states import DEAD_LETTER_STATES, State
from functions.core.task import RunMembership, Task
from functions.core.workflows.dag import above, tally_of
from functions.core.workflows.run import RunState, node_id
from functions.runtime.dispatch import Dispatcher
from functions.store.runs import RunStore
from functions.store.tasks import Applied, TaskStore

T = TypeVar("T")
R = TypeVar("R")

STALE_MS = 10_000
"""A wake-up without its write is dropped after the longest time-out of a worker (functions/core/wakeup.py). The
workflow function may run longer than that: it must not write what it announced so long ago."""


@dataclass(frozen=True, kw_only=True)
class RunConsequences:
    """`clock`: epoch ms. `side_by_side`: how many of a node's dependents are written at once; 1: one after another."""

    tasks: TaskStore
    runs: RunStore
    dispatcher: Dispatcher
    executions: Executions
    clock: Callable[[], int]
    side_by_side: int = 16

    def settle(self, node: Task, member: RunMembership) -> None:
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
        if node.state in DEAD_LETTER_STATES and member.fail_fast:
            self._fail(node.tenant, member)

    def count(self, node: Task, member: RunMembership) -> None:
        """Once all of `settle` is done. Climbs the tree; at its root the run is told that it is done."""
        tally, arrived, state = tally_of(member.index), member.index, State(node.state)
        counted: State | None = state
        while True:
            gathered = self.runs.arrive_at_tally(node.tenant, member.run, member.round, tally, arrived, state=counted)
            if not gathered.complete:
                return
            parent = above(tally, member.nodes)
            if parent is None:
                self._done(node.tenant, member)
                return
            tally, arrived, counted = parent, tally.number, None

    def release(self, nodes: Iterable[Task], *, last: str | None = None) -> None:
        """Puts BLOCKED nodes that wait for nothing, or for `last` only, on their way: messages first."""

        def release_ten(ten: Sequence[Task]) -> None:
            todo = list(ten)
            while todo:
                now = self.clock()
                self.dispatcher.dispatch_next_generation(todo, now=now)
                todo = [moved for node in todo if (moved := self._release(node, now, last))]

        self._in_tens(release_ten, nodes)

    def _release(self, node: Task, now: int, last: str | None) -> Task | None:
        """The node, when it has to be done again: its caller has moved it since it was read, and a wake-up must go out
        for its new time; or this function stood still, and the wake-up may be given up before its write lands."""
        if self.clock() - now > STALE_MS:
            return node
        answer = self.tasks.release(node, now=now, last=last)
        if isinstance(answer, Applied) or answer.task is None:
            return None
        waits = answer.task.state is State.BLOCKED and answer.task.generation == node.generation
        return answer.task if waits and answer.task.waiting_for <= {last} else None

    def _through(self, node: Task, member: RunMembership, via: int, join: int) -> tuple[int, ...]:
        """What a join passes on: everything once it is complete, and at once when something did not succeed."""
        if node.state is not State.SUCCESS:
            return self.runs.join_releases(node.tenant, member.run, join)
        gathered, releases = self.runs.arrive_at_join(node.tenant, member.run, join, via)
        return releases if gathered.complete else ()

    def _resolve(self, node: Task, member: RunMembership, via: str, indexes: list[int]) -> None:
        """The nodes that wait for `via`: `node` itself, or a join behind it. Those that wait no more were dealt with
        by an earlier delivery. Those of a later round wait for nothing of this one: what had succeeded when it began
        was taken into account then, and what had not runs again."""
        ids = [node_id(member.run, index) for index in indexes]
        found = self.tasks.get_many(node.tenant, ids, consistent=True).values()
        waiting = [task for task in found if waits(task, member.round)]
        if node.state is not State.SUCCESS:
            self._skip(waiting, reason=f"node {member.name} ended as {node.state}")
            return
        ready = [task for task in waiting if task.waiting_for <= {via}]
        self.release(ready, last=via)
        others = [task for task in waiting if not task.waiting_for <= {via}]
        self.release(filter(None, self._each(lambda task: self._discard(task, via, member.round), others)))

    def _discard(self, task: Task, via: str, round_: int) -> Task | None:
        """The task, when `via` was the last that it waited for."""
        answer = self.tasks.discard_waiting(task.tenant, task.id, via)
        emptied = isinstance(answer, Applied) and not answer.task.waiting_for and waits(answer.task, round_)
        return answer.task if emptied else None

    def _skip(self, nodes: Iterable[Task], *, reason: str) -> None:
        """Messages first: the wake-up of a skipped node runs its consequences."""

        def skip_ten(ten: Sequence[Task]) -> None:
            now = self.clock()
            self.dispatcher.dispatch_next_generation(ten, now=now, at_once=True)
            for node in ten:
                self.tasks.skip(node, now=now, reason=reason)

        self._in_tens(skip_ten, nodes)

    def _releases(self, node: Task, member: RunMembership) -> tuple[int, ...]:
        if not member.release_chunks:
            return member.releases
        return member.releases + self.runs.chunks(node.tenant, node.id, "RELEASES", member.release_chunks)

    def upstream_indexes(self, node: Task, member: RunMembership) -> tuple[int, ...]:
        """Indexes of the nodes whose results `node` reads."""
        if not member.upstream_chunks:
            return member.upstreams
        return member.upstreams + self.runs.chunks(node.tenant, node.id, "UPSTREAMS", member.upstream_chunks)

    def _done(self, tenant: str, member: RunMembership) -> None:
        """Answers the execution that waits. No token yet: the step that stores it looks at the root afterwards."""
        run = self.runs.get(tenant, member.run)
        if run is not None and run.round == member.round and run.state is RunState.RUNNING and run.token:
            self.executions.answer(run.token, {"outcome": "done"})

    def _fail(self, tenant: str, member: RunMembership) -> None:
        """Marks the run, then answers the execution. Not there to be answered: its next token finds the mark."""
        run = self.runs.fail(tenant, member.run, member.round)
        if run is not None and run.token:
            self.executions.answer(run.token, {"outcome": "cancel"})

    def _in_tens(self, work: Callable[[Sequence[Task]], None], tasks: Iterable[Task]) -> None:
        todo = list(tasks)
        self._each(work, [todo[start : start + MESSAGES_PER_CALL] for start in range(0, len(todo), MESSAGES_PER_CALL)])

    def _each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        todo = list(items)
        if self.side_by_side == 1 or len(todo) < 3:
            return [work(item) for item in todo]
        with ThreadPoolExecutor(min(self.side_by_side, len(todo))) as threads:
            return list(threads.map(work, todo))


def waits(task: Task, round_: int) -> bool:
    """As a node of this round."""
    return task.state is State.BLOCKED and task.membership is not None and task.membership.round == round_
