"""The steps of a run's execution: start, release, finish. Each may be run again, by a Retry of the state machine or
after a crash in its middle, and then finishes what was begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from functions.aws.executions import Executions
from functions.core.states import CANCELLABLE, State
from functions.core.task import Task
from functions.core.workflows import definition
from functions.core.workflows.dag import FAN_IN, Plan, Step, Tally, levels, tallies, tally_of
from functions.core.workflows.run import (
    OPEN,
    NodeSpec,
    Run,
    membership,
    node_id,
    outcome_of,
    still_waits_for,
)
from functions.runtime.consequences import Consequences
from functions.runtime.metrics import Metrics
from functions.store.documents import Documents
from functions.store.runs import RunStore
from functions.store.tasks import Applied, TaskStore

T = TypeVar("T")
PAGE = 100


class NotLandedError(Exception):
    """The execution is there, the run's record (of this round) is not yet: the state machine tries again. When the
    submit died between the two nobody was answered, and the execution ends by itself."""


class StillRunningError(Exception):
    """A retry waits for the nodes of the round before that still run."""


@dataclass(frozen=True, kw_only=True)
class RunSteps:
    """`clock`: epoch ms. `side_by_side`: writes at once; 1: one after another."""

    tasks: TaskStore
    runs: RunStore
    documents: Documents
    consequences: Consequences
    executions: Executions
    metrics: Metrics
    clock: Callable[[], int]
    side_by_side: int = 16

    def start(self, tenant: str, run_id: str, round_: int) -> None:
        """Writes the records of the round: joins and tallies first, so that whoever can run finds them. Nothing runs
        before all of them are there: it is the next step that releases."""
        run = self._run(tenant, run_id, round_)
        if run.ended or run.round != round_:
            return
        specs = self._specs(run)
        plan = definition.plan_of(specs)
        states = {} if round_ == 1 else self._states_before(run)
        waits = still_waits_for(plan, states)
        until = self.clock() // 1000 + run.deadline_seconds
        self._put_gathering(run, plan, waits, states, until)
        todo = [step for step in plan.steps[: plan.nodes] if step.index in waits]

        def write(step: Step) -> None:
            if step.index in states:
                self._put_again(run, specs[step.index], step.index, waits[step.index], until)
            else:
                self._put_node(run, step, specs[step.index], waits[step.index], until)

        self._each(write, todo)

    def release(self, tenant: str, run_id: str, round_: int, token: str, nth: int) -> None:
        """Stores the token, then releases what waits for nothing. The root of the tallies is looked at last: nodes may
        all have ended before the token was there to be answered. `nth`: of the tries of this step, from 0."""
        run = self._run(tenant, run_id, round_)
        begun = self.runs.begin(run, token=token, nth=nth, now=self.clock()) if run.round == round_ else None
        if begun is None:
            run = self._run(tenant, run_id, round_)
            if run.ended or run.round != round_:
                # This step runs again after its end, or a later round has begun.
                self.executions.answer(token, {"outcome": "done"})
            # Else a later try has stored its token and does the rest: nobody listens to this one.
            return
        if begun.cancelled or begun.failing:
            self.executions.answer(token, {"outcome": "cancel"})
            return
        for page in self._pages(begun):
            ready = [task for task in page if task.state is State.BLOCKED and not task.waiting_for]
            self.consequences.runs.release(ready)
        if self.runs.root_complete(begun, Tally(levels(begun.nodes) - 1, 0)):
            self.executions.answer(token, {"outcome": "done"})

    def finish(self, tenant: str, run_id: str, round_: int, outcome: str) -> dict[str, Any]:
        """Cancels what has not started, unless all is done, and writes how the run ended. Returns that."""
        run = self._run(tenant, run_id, round_)
        if not run.ended and run.round == round_:
            if outcome != "done":
                self._cancel_waiting(run)
            counts = self.runs.tallies(run, tallies(run.nodes, 0)).counts
            state, reason = outcome_of(counts, nodes=run.nodes, ended_by=outcome, cancelled=run.cancelled)
            if left := run.nodes - sum(counts.values()):
                # They run still, or were never written.
                counts[OPEN] = left
            ended = self.runs.end(run, state, counts=counts, reason=reason, now=self.clock())
            run = ended or self._run(tenant, run_id, round_)
        if run.round == round_:
            # Here too when an earlier try of this step wrote the end and died. Who puts a run into its next round tells
            # of the end before.
            self.consequences.notifications.start_for_run(run)
        return {"state": run.state, "counts": run.counts}

    # -- reading

    def _run(self, tenant: str, run_id: str, round_: int) -> Run:
        run = self.runs.get(tenant, run_id)
        if run is None or run.round < round_:
            raise NotLandedError(run_id)
        return run

    def _specs(self, run: Run) -> list[NodeSpec]:
        return definition.read(self.documents.read(run.tenant, run.id, run.definition))

    def _pages(self, run: Run) -> Iterator[list[Task]]:
        for start in range(0, run.nodes, PAGE):
            ids = [node_id(run.id, index) for index in range(start, min(start + PAGE, run.nodes))]
            yield list(self.tasks.get_many(run.tenant, ids, consistent=True).values())

    def _states_before(self, run: Run) -> dict[int, State]:
        """Index → how the node ended in the rounds before. Nodes that were put back for this round by a start that
        died have not succeeded; what is not there was never written, or has expired: it is made anew."""
        states: dict[int, State] = {}
        for page in self._pages(run):
            for task in page:
                assert task.membership is not None
                if task.membership.round < run.round and not task.settled:
                    task = self._withdrawn(task)
                assert task.membership is not None
                states[task.membership.index] = task.state if task.settled else State.BLOCKED
        return states

    def _withdrawn(self, task: Task) -> Task:
        """A node that still ran when its round ended, and waits for its next attempt since."""
        while task.state in CANCELLABLE:
            answer = self.consequences.cancel(task, reason="its run is tried again")
            if isinstance(answer, Applied):
                return answer.task
            task = answer.task or task
        if not task.settled:
            raise StillRunningError(task.id)
        return task

    # -- writing

    def _put_gathering(
        self, run: Run, plan: Plan, waits: dict[int, frozenset[int]], states: dict[int, State], until: int
    ) -> None:
        def join(index: int) -> None:
            step = plan.steps[index]
            self.runs.put_join(run, index, waits_for=waits.get(index, ()), releases=step.dependents, until=until)

        self._each(join, range(plan.nodes, len(plan.steps)))
        open_: dict[Tally, set[int]] = {}
        done: dict[Tally, dict[str, int]] = {}
        for index in range(plan.nodes):
            tally = tally_of(index)
            open_.setdefault(tally, set())
            if index in waits:
                open_[tally].add(index)
            else:
                counts = done.setdefault(tally, {})
                counts[states[index]] = counts.get(states[index], 0) + 1
        for level in range(1, levels(plan.nodes)):
            for number in range(tallies(plan.nodes, level)):
                below = range(number * FAN_IN, min((number + 1) * FAN_IN, tallies(plan.nodes, level - 1)))
                open_[Tally(level, number)] = {at for at in below if open_[Tally(level - 1, at)]}

        def put(place: Tally) -> None:
            self.runs.put_tally(run, place, members=open_[place], counts=done.get(place, {}), until=until)

        self._each(put, open_)

    def _put_node(self, run: Run, step: Step, spec: NodeSpec, waits_for: frozenset[int], until: int) -> None:
        member, releases, upstreams = membership(run, step, until=until)
        task_id = node_id(run.id, step.index)
        self.runs.put_chunks(run.tenant, task_id, "RELEASES", releases)
        self.runs.put_chunks(run.tenant, task_id, "UPSTREAMS", upstreams)
        task = Task(
            tenant=run.tenant,
            id=task_id,
            type=spec.type,
            state=State.BLOCKED,
            created_at=run.created_at,
            available_at=spec.available_at,
            priority=spec.priority,
            timeout_seconds=spec.timeout_seconds,
            retry=spec.retry,
            payload=self.documents.keep_payload(run.tenant, task_id, spec.payload),
            mask=spec.mask,
            digest="",
            tags=spec.tags,
            waiting_for=frozenset(map(str, waits_for)),
            membership=member,
        )
        self.tasks.create(task)

    def _put_again(self, run: Run, spec: NodeSpec, index: int, waits_for: frozenset[int], until: int) -> None:
        task = self.tasks.get(run.tenant, node_id(run.id, index))
        if task is None or task.membership is None or task.membership.round >= run.round:
            # Taken up already, by an earlier try of this step; or this one is late, and a later round has.
            return
        budget = task.attempt + spec.retry.max_attempts
        self.tasks.run_again(task, round_=run.round, until=until, waits_for=waits_for, max_attempts=budget)

    def _cancel_waiting(self, run: Run) -> None:
        """First all of them, then what follows: nobody is skipped because of a neighbour cancelled beside it. Whoever
        dies in between is followed by this step, tried again. What a later round has taken up is that round's."""
        reason = "its run was cancelled" if run.cancelled else "its run ended before it could start"

        def cancel(task: Task) -> None:
            while task.state in CANCELLABLE and task.membership is not None and task.membership.round <= run.round:
                answer = self.tasks.cancel(task, now=self.clock(), reason=reason)
                if isinstance(answer, Applied) or answer.task is None:
                    return
                # Released, moved or waited for under our hands; or claimed, and then it is left to run.
                task = answer.task

        def follow(task: Task) -> None:
            assert task.membership is not None
            if task.has_dependents:
                self.consequences.run(task)
            else:
                # Its dependents in the run were cancelled with it.
                self.consequences.runs.count(task, task.membership)

        for page in self._pages(run):
            self._each(cancel, page)
        for page in self._pages(run):
            self._each(follow, [task for task in page if task.state in (State.CANCELLED, State.SKIPPED)])

    def _each(self, work: Callable[[T], Any], items: Iterable[T]) -> None:
        if self.side_by_side == 1:
            for item in items:
                work(item)
            return
        with ThreadPoolExecutor(self.side_by_side) as threads:
            for _ in threads.map(work, items):
                pass
