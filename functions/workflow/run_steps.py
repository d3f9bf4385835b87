"""The steps of a run's execution: start, release, finish. Each may run again, by a Retry of the state machine or after
a crash in its middle, and then finishes what was begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from functions.aws.executions import Executions
from functions.core.states import CANCELLABLE, State
from functions.core.task import Task
from functions.core.workflows import definition
from functions.core.workflows.dag import Plan, PlanStep
from functions.core.workflows.run import (
    OPEN_NODES,
    NodeSpec,
    Run,
    end_state_and_reason,
    make_membership,
    node_task_id,
    remaining_upstreams,
)
from functions.core.workflows.tallies import FAN_IN, Tally, leaf_tally, tallies_on_level, tally_levels
from functions.runtime.consequences import Consequences
from functions.runtime.metrics import Metrics
from functions.runtime.parallel import map_threads
from functions.store.documents import Documents
from functions.store.runs import RunStore
from functions.store.tasks import Applied, TaskStore

PAGE = 100
"""Nodes that are read at once."""


class NotLandedError(Exception):
    """The execution has started, but the record of the run (or of this round) is not written yet: the state machine
    tries again. When the submit died between the two, its caller has no answer, and the execution ends by itself."""


class StillRunningError(Exception):
    """The retry of a run waits for nodes of the round before that still run."""


@dataclass(frozen=True, kw_only=True)
class RunSteps:
    """`clock`: epoch ms."""

    tasks: TaskStore
    runs: RunStore
    documents: Documents
    consequences: Consequences
    executions: Executions
    metrics: Metrics
    clock: Callable[[], int]

    def start(self, tenant: str, run_id: str, round_: int) -> None:
        """Writes the records of the round, joins and tallies before the nodes that need them. Nothing runs before all
        of them are written: the next step releases the nodes."""
        run = self._run(tenant, run_id, round_)
        if run.ended or run.round != round_:
            return
        specs = self._specs(run)
        plan = definition.plan_of_specs(specs)
        states = {} if round_ == 1 else self._states_of_earlier_rounds(run)
        waits = remaining_upstreams(plan, states)
        until = self.clock() // 1000 + run.deadline_seconds
        self._put_joins_and_tallies(run, plan, waits, states, until)
        todo = [step for step in plan.steps[: plan.nodes] if step.index in waits]

        def put(step: PlanStep) -> None:
            if step.index in states:
                self._rerun_node(run, specs[step.index], step.index, waits[step.index], until)
            else:
                self._put_node(run, step, specs[step.index], waits[step.index], until)

        map_threads(put, todo)

    def release(self, tenant: str, run_id: str, round_: int, token: str, nth: int) -> None:
        """Stores the token, then releases the nodes that wait for nothing. It reads the root of the tallies last: all
        nodes may have ended before the token was stored. `nth`: which try of this step, from 0."""
        run = self._run(tenant, run_id, round_)
        begun = self.runs.start(run, token=token, nth=nth, now=self.clock()) if run.round == round_ else None
        if begun is None:
            run = self._run(tenant, run_id, round_)
            if run.ended or run.round != round_:
                # This try came after the end of the step, or after a later round has begun.
                self.executions.send_success(token, {"outcome": "done"})
            # Otherwise a later try has stored its token and does the rest; the machine no longer waits for this one.
            return
        if begun.cancel_requested or begun.has_failed_node:
            self.executions.send_success(token, {"outcome": "cancel"})
            return
        for page in self._node_pages(begun):
            ready = [task for task in page if task.state is State.BLOCKED and not task.waiting_for]
            self.consequences.runs.release_nodes(ready)
        if self.runs.is_root_tally_complete(begun, Tally(tally_levels(begun.nodes) - 1, 0)):
            self.executions.send_success(token, {"outcome": "done"})

    def finish(self, tenant: str, run_id: str, round_: int, outcome: str) -> dict[str, Any]:
        """Cancels the nodes that have not started, unless all are done, and writes the end of the run. Returns it."""
        run = self._run(tenant, run_id, round_)
        if not run.ended and run.round == round_:
            if outcome != "done":
                self._cancel_waiting(run)
            counts = self.runs.summarize_tallies(run, tallies_on_level(run.nodes, 0)).counts
            state, reason = end_state_and_reason(
                counts, nodes=run.nodes, ended_by=outcome, cancelled=run.cancel_requested
            )
            if left := run.nodes - sum(counts.values()):
                # These nodes still run, or were never written.
                counts[OPEN_NODES] = left
            ended = self.runs.end(run, state, counts=counts, reason=reason, now=self.clock())
            run = ended or self._run(tenant, run_id, round_)
        if run.round == round_:
            # Also after an earlier try of this step that wrote the end and died. The request that begins a next round
            # starts the notifications of the end before.
            self.consequences.notifications.start_for_run(run)
        return {"state": run.state, "counts": run.counts}

    # -- reads

    def _run(self, tenant: str, run_id: str, round_: int) -> Run:
        run = self.runs.get(tenant, run_id)
        if run is None or run.round < round_:
            raise NotLandedError(run_id)
        return run

    def _specs(self, run: Run) -> list[NodeSpec]:
        return definition.definition_from_json(self.documents.read(run.tenant, run.id, run.definition))

    def _node_pages(self, run: Run) -> Iterator[list[Task]]:
        for start in range(0, run.nodes, PAGE):
            ids = [node_task_id(run.id, index) for index in range(start, min(start + PAGE, run.nodes))]
            yield list(self.tasks.get_by_ids(run.tenant, ids, consistent=True).values())

    def _states_of_earlier_rounds(self, run: Run) -> dict[int, State]:
        """Index → the state in which the node ended. BLOCKED for nodes that a start that died has already reset for
        this round: they did not succeed. A node without a record was never written, or has expired: it is written
        again."""
        states: dict[int, State] = {}
        for page in self._node_pages(run):
            for task in page:
                assert task.membership is not None
                if task.membership.round < run.round and not task.settled:
                    task = self._withdraw(task)
                assert task.membership is not None
                states[task.membership.index] = task.state if task.settled else State.BLOCKED
        return states

    def _withdraw(self, task: Task) -> Task:
        """Cancels a node that still ran when its round ended, and now waits for its next attempt."""
        while task.state in CANCELLABLE:
            answer = self.consequences.cancel(task, reason="its run is tried again")
            if isinstance(answer, Applied):
                return answer.task
            task = answer.task or task
        if not task.settled:
            raise StillRunningError(task.id)
        return task

    # -- writes

    def _put_joins_and_tallies(
        self, run: Run, plan: Plan, waits: dict[int, frozenset[int]], states: dict[int, State], until: int
    ) -> None:
        def put_join(index: int) -> None:
            step = plan.steps[index]
            self.runs.put_join(run, index, waits_for=waits.get(index, ()), releases=step.dependents, deadline_at=until)

        map_threads(put_join, range(plan.nodes, len(plan.steps)))
        members: dict[Tally, set[int]] = {}
        counts: dict[Tally, dict[str, int]] = {}
        for index in range(plan.nodes):
            tally = leaf_tally(index)
            members.setdefault(tally, set())
            if index in waits:
                members[tally].add(index)
            else:
                of_tally = counts.setdefault(tally, {})
                of_tally[states[index]] = of_tally.get(states[index], 0) + 1
        for level in range(1, tally_levels(plan.nodes)):
            for number in range(tallies_on_level(plan.nodes, level)):
                below = range(number * FAN_IN, min((number + 1) * FAN_IN, tallies_on_level(plan.nodes, level - 1)))
                members[Tally(level, number)] = {at for at in below if members[Tally(level - 1, at)]}

        def put_tally(tally: Tally) -> None:
            self.runs.put_tally(run, tally, members=members[tally], counts=counts.get(tally, {}), deadline_at=until)

        map_threads(put_tally, members)

    def _put_node(self, run: Run, step: PlanStep, spec: NodeSpec, waits_for: frozenset[int], until: int) -> None:
        member, releases, upstreams = make_membership(run, step, deadline_at=until)
        task_id = node_task_id(run.id, step.index)
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
            payload=self.documents.store_payload(run.tenant, task_id, spec.payload),
            mask=spec.mask,
            digest="",
            tags=spec.tags,
            waiting_for=frozenset(map(str, waits_for)),
            membership=member,
        )
        self.tasks.create(task)

    def _rerun_node(self, run: Run, spec: NodeSpec, index: int, waits_for: frozenset[int], until: int) -> None:
        task = self.tasks.get(run.tenant, node_task_id(run.id, index))
        if task is None or task.membership is None or task.membership.round >= run.round:
            # An earlier try of this step has already reset the node, or a later round has.
            return
        max_attempts = task.attempt + spec.retry.max_attempts
        self.tasks.rerun_node(task, round_=run.round, deadline_at=until, waits_for=waits_for, max_attempts=max_attempts)

    def _cancel_waiting(self, run: Run) -> None:
        """First cancels all of them, then runs their consequences: no node is SKIPPED because of another one that was
        cancelled with it. After a crash in between, the next try of this step goes on. Nodes of a later round are left
        to that round."""
        reason = "its run was cancelled" if run.cancel_requested else "its run ended before it could start"

        def cancel(task: Task) -> None:
            while task.state in CANCELLABLE and task.membership is not None and task.membership.round <= run.round:
                answer = self.tasks.cancel(task, now=self.clock(), reason=reason)
                if isinstance(answer, Applied) or answer.task is None:
                    return
                # The task was changed meanwhile: cancelled again; or it was claimed: it is left to run.
                task = answer.task

        def run_consequences(task: Task) -> None:
            assert task.membership is not None
            if task.has_dependents:
                self.consequences.run(task)
            else:
                # Its dependents in the run were cancelled, too.
                self.consequences.runs.count_node(task, task.membership)

        for page in self._node_pages(run):
            map_threads(cancel, page)
        for page in self._node_pages(run):
            map_threads(run_consequences, [task for task in page if task.state in (State.CANCELLED, State.SKIPPED)])
