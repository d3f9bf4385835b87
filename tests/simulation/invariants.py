"""What must hold: watched at every write of a task record and every start of a handler, and once more at rest.

`Watch` sees what landed in the table and who wrote it, never what the code meant to do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from functions.core.notifications.events import task_notifications
from functions.core.schedules.schedule import RUN_REFERENCE_PREFIX
from functions.core.states import CLAIMABLE, REDRIVE_TRANSITIONS, TERMINAL, TRANSITIONS, State
from functions.core.task import Task
from functions.store import keys
from functions.store.counters import Counters
from functions.store.records import task_from_item
from functions.store.table import Table
from tests.simulation.deployment import ACCOUNT, POOL, TABLE
from tests.simulation.fibers import MS
from tests.simulation.handlers import MOVED, POOLED, TYPE
from tests.simulation.run_rules import RunRules
from tests.simulation.schedule_rules import ScheduleRules
from tests.simulation.seams import client

if TYPE_CHECKING:
    from taskyard.tasks.context import Context

    from tests.simulation.world import World

Item = dict[str, Any]
LATE_MS = 4_000
"""A task starts within this of its due time when nothing went wrong: DelaySeconds is rounded up to a second, and a
wake-up that overtakes the write that it announces is looked at again after LOOK_AGAIN_SECONDS."""
SCRIPTED = frozenset({"Failing", "Permanent", "Retry", "LoopBlocked"})
"""Errors that a script asks for; others (throttling, a lost worker, a time-out) are the world's doing."""
INERT = frozenset({"hasDependents"})
"""What may be written on a settled record, or by anybody on a running one."""


@dataclass
class Claim:
    process: Any
    at: int
    over: bool = False


@dataclass
class Promise:
    """What an answered PATCH said: from then on no first attempt starts before `run_at` (epoch ms), and each that
    starts sees at least `version` of the payload."""

    run_at: int | None = None
    version: int | None = None
    doubtful: bool = False


class Watch:
    def __init__(self, world: World) -> None:
        self.world = world
        self.claims: dict[tuple[str, int], Claim] = {}
        self.effects: Counter[tuple[str, str]] = Counter()
        self.runs: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.promises: dict[str, Promise] = {}
        self.accepted: dict[str, str] = {}
        self.children: dict[tuple[str, str], str] = {}
        """Task and name of a submit → the child."""
        self.cancelled: set[str] = set()
        self.changed: set[str] = set()
        """Somebody asked for another payload."""
        self.allowed: dict[str, int] = {}
        """Attempts that a task may be charged with, as it was accepted."""
        self.known: set[str] = set()
        self.owed: dict[str, str] = {}
        """Names of the notifications that ends owe → their tasks or runs."""
        self.workflows = RunRules(world)
        self.schedules = ScheduleRules(world)

    def accept(self, task: str, body: str) -> None:
        if self.accepted.setdefault(task, body) != body:
            self.world.violate(f"{task}: two different bodies under one key were both accepted")

    # -- writes

    def write(self, process: Any, operation: str, before: Item | None, after: Item | None) -> None:
        image = after or before
        if image is None or before == after:
            return
        match image["sk"]["S"]:
            case keys.TASK:
                self._task(process, before, after)
            case keys.WORKFLOW:
                self.workflows.write(process, before, after)
                if before is None and after is not None:
                    run = after["pk"]["S"].rpartition("#")[2]
                    self.schedules.created(process, f"{RUN_REFERENCE_PREFIX}{run}", after)
            case keys.SCHEDULE:
                self.schedules.write(process, before, after)
            case keys.FIRINGS if after is not None:
                self.schedules.fired(after)

    def _task(self, process: Any, before: Item | None, after: Item | None) -> None:
        image = after or before
        assert image is not None
        task = image["pk"]["S"].rpartition("#")[2]
        if process is not None:
            process.writes.append(task)
        if self.world.log is not None:
            self._show(process, task, before, after)
        if after is None:
            self.world.violate(f"{task} was deleted")
        elif before is None:
            if after["state"]["S"] not in ("PENDING", "READY", "BLOCKED") or int(after["attempt"]["N"]):
                self.world.violate(f"{task} began as {after['state']['S']}")
            self.allowed[task] = task_from_item(after).retry.max_attempts
            self.schedules.created(process, task, after)
        else:
            self._change(process, task, before, after)

    def _node(self, process: Any, was: State, after: Item) -> None:
        node = task_from_item(after)
        assert node.membership is not None
        self.workflows.node(process, was, node, node.membership)

    def _show(self, process: Any, task: str, before: Item | None, after: Item | None) -> None:
        def words(item: Item | None) -> str:
            if item is None:
                return "-"
            waits = f" waits for {len(item['waitingFor']['SS'])}" if "waitingFor" in item else ""
            return f"{item['state']['S']} g{item['generation']['N']} a{item['attempt']['N']}{waits}"

        self.world.trace(process.name if process else "-", f"    {task[-8:]}: {words(before)} → {words(after)}")

    def _change(self, process: Any, task: str, before: Item, after: Item) -> None:
        violate = self.world.violate
        was, is_ = State(before["state"]["S"]), State(after["state"]["S"])
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)} - INERT
        redriven = is_ is REDRIVE_TRANSITIONS.get(was) and process.function == "api"
        redriven = redriven or (was in TERMINAL and self.workflows.again(process, before, after))
        if was in TERMINAL and changed and not redriven:
            violate(f"{task} was {was}, then {', '.join(sorted(changed))} changed, by {process.name}")
        if is_ is not was and is_ not in TRANSITIONS[was] and not redriven:
            violate(f"{task} went from {was} to {is_}")
        if is_ in TERMINAL and was not in TERMINAL and "notify" in after:
            self.owed |= {note.name: task for note in task_notifications(task_from_item(after))}
        if int(after["generation"]["N"]) < int(before["generation"]["N"]):
            violate(f"{task}: generation went back")
        if int(after["availableAt"]["N"]) < int(before["availableAt"]["N"]) and process.function != "api":
            violate(f"{task}: {process.name} moves it to an earlier time, which only its caller may")
        tried, tries = int(before["attempt"]["N"]), int(after["attempt"]["N"])
        if tries != tried:
            self._claimed(process, task, before, after)
        elif "run" in after:
            self._node(process, was, after)
        if tries == tried and was is State.RUNNING and changed:
            self._by_holder(process, task, before, after, is_)

    def _claimed(self, process: Any, task: str, before: Item, after: Item) -> None:
        violate, now = self.world.violate, self.world.hub.now
        tried, attempt = int(before["attempt"]["N"]), int(after["attempt"]["N"])
        started = int(after["startedAt"]["N"])
        was = State(before["state"]["S"])
        if attempt != tried + 1 or after["state"]["S"] != State.RUNNING:
            violate(f"{task}: attempt {attempt} after {tried}, {after['state']['S']}")
        if attempt > int(after["retry"]["S"].partition(":")[0]):
            violate(f"{task}: attempt {attempt} is above its maximum")
        if was in CLAIMABLE and int(before["availableAt"]["N"]) > started:
            violate(f"{task}: attempt {attempt} starts before its time")
        if was is State.RUNNING and int(before["leaseUntil"]["N"]) > started:
            violate(f"{task}: attempt {attempt} starts under the lease of attempt {tried}")
        for (other, number), claim in self.claims.items():
            if other == task and number < attempt and not claim.over and claim.process.alive:
                violate(f"{task}: attempt {attempt} starts while {claim.process.name} runs attempt {number} by right")
        promise = self.promises.get(task)
        if promise is not None and promise.run_at is not None and attempt == 1 and started < promise.run_at:
            violate(f"{task}: starts before the time that a PATCH was answered with")
        record = task_from_item(after)
        if record.membership is not None:
            self.workflows.claimed(was, record, record.membership)
        for upstream in record.dependencies:
            found = self.world.table.item(keys.task_partition(tenant_of(after), upstream), keys.TASK)
            if found is None or found["state"]["S"] != State.SUCCESS:
                violate(f"{task} runs, its upstream {upstream} is {found['state']['S'] if found else 'not there'}")
        if record.type != MOVED and was in CLAIMABLE and self.world.faults.calm and not self.world.counted["deaths"]:
            late = now // MS - int(before["availableAt"]["N"])
            if late > LATE_MS:
                violate(f"{task}: attempt {attempt} starts {late} ms late, with no fault to blame")
        self.claims[task, attempt] = Claim(process, now)

    def _by_holder(self, process: Any, task: str, before: Item, after: Item, is_: State) -> None:
        """A write on a RUNNING record that does not begin an attempt."""
        attempt = int(before["attempt"]["N"])
        claim = self.claims[task, attempt]
        if is_ is State.DEAD and task_from_item(after).history[-1].outcome == "LOST":
            now_ms = (self.world.hub.now + process.skew) // MS
            if int(before["leaseUntil"]["N"]) > now_ms:
                self.world.violate(f"{task}: given up under the lease of attempt {attempt}")
        elif claim.process is not process:
            self.world.violate(f"{task}: {process.name} writes with an old fence; attempt {attempt} holds the task")
        if is_ is not State.RUNNING:
            claim.over = True

    # -- handlers

    def started(self, process: Any, ctx: Context, payload: dict[str, Any]) -> None:
        self.world.trace(process.name, f"    {ctx.task_id[-8:]}: attempt {ctx.attempt} runs")
        self.runs[ctx.task_id] += 1
        in_pool = process.function == f"worker-{POOL}"
        if (ctx.type == POOLED and not in_pool) or (ctx.type == TYPE and in_pool):
            self.world.violate(f"{ctx.task_id}: {ctx.type} runs in {process.name}, a worker of another pool")
        claim = self.claims.get((ctx.task_id, ctx.attempt))
        if claim is None or claim.process is not process:
            self.world.violate(f"{ctx.task_id}: attempt {ctx.attempt} runs in {process.name}, which did not claim it")
            return
        self.workflows.started(ctx)
        promise = self.promises.get(ctx.task_id)
        if promise is not None and promise.version is not None and payload.get("version", 0) < promise.version:
            self.world.violate(f"{ctx.task_id}: runs with the payload before the one that a PATCH was answered with")

    def effect(self, ctx: Context, name: str) -> None:
        self.world.count("effects")
        self.effects[ctx.task_id, name] += 1
        if self.effects[ctx.task_id, name] > 1:
            self.world.violate(f"{ctx.task_id}: effect {name!r} happened twice")

    def submitted(self, ctx: Context, name: str, child: str) -> None:
        """`ctx.submit` has returned."""
        self.world.count("children")
        if self.children.setdefault((ctx.task_id, name), child) != child:
            self.world.violate(f"{ctx.task_id}: two children of the name {name!r}")
        self.accepted.setdefault(child, f"{name} of {ctx.task_id}")

    def succeeded(self, ctx: Context) -> None:
        self.finished[ctx.task_id] += 1

    def timers(self, task: str, most: int) -> None:
        """With no fault to blame, and nobody but its caller at work on it, no timer is left of a task that was
        cancelled or moved."""
        left = [name for name in self.world.timers.names() if name.startswith(task)]
        found = self.world.table.item(keys.task_partition(ACCOUNT, task), keys.TASK)
        if self.world.faults.calm and len(left) > most and found is not None:
            record = task_from_item(found)
            if not record.attempt and not record.dependencies:
                self.world.violate(f"{task} has the timers {left}")

    # -- at rest

    def at_rest(self) -> None:
        violate = self.world.violate
        tasks = {
            task.id: task
            for item in self.world.table.items()
            if item["sk"]["S"] == keys.TASK and item["pk"]["S"].startswith("TASK#")
            for task in (task_from_item(item),)
        }
        self.known = {*tasks, *self.workflows.known()}
        for missing in sorted(self.accepted.keys() - tasks.keys()):
            violate(f"{missing} was accepted and has no record")
        for task in tasks.values():
            self._settled(task, tasks)
        for queue in self.world.queues:
            if queue.messages:
                violate(f"{queue.name} still holds {len(queue.messages)} messages")
        self.workflows.at_rest()
        self.schedules.at_rest()
        started = self.world.executions.notifications
        for name in sorted(self.owed.keys() - started.keys()):
            violate(f"{self.owed[name]}: {name} is not notified")
        for name in sorted(started.keys() - self.owed.keys()):
            violate(f"{name} is notified and never happened")
        self._counters(tasks)

    def after_expiry(self) -> None:
        """Nothing of tasks and runs is left: no record, no effect, edge or document, no join or tally, no count."""
        for item in self.world.table.items():
            kind, _, rest = item["pk"]["S"].partition("#")
            mine = rest.rpartition("#")[2] in self.known
            if kind in ("WORKFLOW", "TALLY") or (kind == "TASK" and (mine or item["sk"]["S"] == keys.JOIN)):
                self.world.violate(f"expired tasks leave {item['pk']['S']} {item['sk']['S']}")
        self._counters({})

    def _settled(self, task: Task, tasks: dict[str, Task]) -> None:
        violate = self.world.violate
        if not task.settled:
            violate(f"{task.id} rests in {task.state}")
            return
        self.world.count(f"tasks {task.state}")
        if task.attempt > task.retry.max_attempts:
            violate(f"{task.id}: {task.attempt} attempts of {task.retry.max_attempts}")
        named = task.dependencies if task.membership is None else self.workflows.upstreams(task.membership)
        upstreams = [tasks[upstream] for upstream in named if upstream in tasks]
        bad = [upstream.state for upstream in upstreams if upstream.state is not State.SUCCESS]
        again = any(brought_back(upstream) for upstream in upstreams)
        if task.state is State.SKIPPED and not bad and not again:
            violate(f"{task.id} is SKIPPED though all of its upstreams succeeded")
        if task.state is not State.SKIPPED and bad and task.state is not State.CANCELLED:
            violate(f"{task.id} is {task.state} though an upstream ended as {bad[0]}")
        if task.state is State.SUCCESS and not self.finished[task.id]:
            violate(f"{task.id} is SUCCESS and its handler never came to its end")
        if task.state is State.SKIPPED and task.attempt:
            violate(f"{task.id} is {task.state} after {task.attempt} attempts")
        if task.id in self.cancelled and task.state is not State.CANCELLED:
            violate(f"{task.id} is {task.state} though its cancel was answered with 204")
        if task.state is State.DEAD and task.attempt < task.retry.max_attempts:
            violate(f"{task.id} is DEAD after {task.attempt} of {task.retry.max_attempts} attempts")
        charged = task.attempt - sum(entry.error_type == "LoopBlocked" for entry in task.history)
        if not brought_back(task) and charged > self.allowed[task.id]:
            violate(f"{task.id} was charged with {charged} attempts of {self.allowed[task.id]}")
        if not brought_back(task) and task.state is State.DEAD and charged < self.allowed[task.id]:
            violate(f"{task.id} is DEAD, charged with {charged} attempts of {self.allowed[task.id]}")
        if (
            task.id not in self.changed
            and not brought_back(task)
            and all(entry.error_type in SCRIPTED for entry in task.history)
        ):
            self._as_written(task, self.world.document(task.id, task.payload))

    def _as_written(self, task: Task, script: dict[str, Any]) -> None:
        """With nothing in the way of its attempts, the script says how the task ends."""
        outcomes = [outcome.partition(":")[0] for outcome in script.get("outcomes") or ["ok"]]
        ends = {"ok": State.SUCCESS, "large": State.SUCCESS, "mail": State.SUCCESS, "permanent": State.FAILED}
        for attempt in range(1, task.retry.max_attempts + 1):
            outcome = outcomes[min(attempt, len(outcomes)) - 1]
            if outcome in ends:
                expected, at = ends[outcome], attempt
                break
        else:
            expected, at = State.DEAD, task.retry.max_attempts
        if script.get("effects") or "mail" in outcomes:
            return  # in doubt: either end is right
        if task.state not in (expected, State.CANCELLED, State.SKIPPED):
            self.world.violate(f"{task.id} is {task.state}, its script says {expected}")
        elif task.state is expected and task.attempt != at:
            self.world.violate(f"{task.id} took {task.attempt} attempts, its script says {at}")

    def _counters(self, tasks: dict[str, Task]) -> None:
        if "observer" not in self.world.entries:
            return
        counted = Counters(Table(client("dynamodb"), TABLE)).read(ACCOUNT)
        there = Counter(str(task.state) for task in tasks.values())
        for state, count in counted.states.items():
            if count != there[state]:
                self.world.violate(f"the counters say {count} {state}, the records {there[state]}")
        for kind, states in counted.types.items():
            for state, count in states.items():
                real = sum(task.type == kind and task.state == state for task in tasks.values())
                if count != real:
                    self.world.violate(f"the counters say {count} {kind} {state}, the records {real}")


def brought_back(task: Task) -> bool:
    """By a redrive, or by a retry of its run."""
    return bool(task.redrives) or (task.membership is not None and task.membership.round > 1)


def tenant_of(item: Item) -> str:
    return keys.tenant_and_task_id(item["pk"]["S"])[0]
