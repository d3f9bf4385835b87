"""The design's rules, each switched off in turn, from outside: nothing in functions/ knows of this file.

`with planted("name"):` and the simulation must find it (test_planted_bugs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from functions.api.dead_letters.dead_letters import DeadLetters
from functions.core import settlement
from functions.core import wakeup as wakeups
from functions.core.counts import StreamPositions
from functions.core.pools import Routing, band_of
from functions.core.task import id_for_key
from functions.core.times import iso_time
from functions.core.wakeup import Action, Decision, decide
from functions.dead_letter import handler as dead_letter
from functions.intake import children, firings, submission, workflow_submission
from functions.runtime.consequences import Consequences
from functions.store import keys, tasks
from functions.store.effects import Effects
from functions.store.records import string_value
from functions.store.table import Table, Updated
from functions.store.tasks import Applied, TaskStore, WriteResult
from functions.worker import pipeline
from functions.worker.messages import Delete
from functions.worker.pipeline import Pipeline
from tests.simulation.fibers import running
from tests.simulation.seams import clock

Patches = Iterator[Any]
BUGS: dict[str, Callable[[], Patches]] = {}
ANYWAY = "attribute_exists(pk)"
"""A condition that always holds for a record that is there: DynamoDB refuses values that no expression uses."""


def bug(function: Callable[[], Patches]) -> Callable[[], Patches]:
    BUGS[function.__name__.replace("_", "-")] = function
    return function


@contextmanager
def planted(name: str) -> Iterator[None]:
    with ExitStack() as patches:
        for patch in BUGS[name]():
            patches.enter_context(patch)
        yield


def conditions(*rules: tuple[str, str]) -> Any:
    """Every conditional update: part of its condition → what stands there instead."""
    update = Table.update

    def changed(self: Table, key: Any, expression: str, *, condition: str, **rest: Any) -> Any:
        for part, instead in rules:
            condition = condition.replace(part, instead)
        return update(self, key, expression, condition=condition, **rest)

    return mock.patch.object(Table, "update", changed)


def verdicts(change: Callable[[Decision, Any], Decision]) -> Any:
    """What the worker does with a wake-up, changed."""

    def changed(task: Any, wakeup: Any, **given: Any) -> Decision:
        return change(decide(task, wakeup, **given), task)

    return mock.patch.object(pipeline, "decide", changed)


class Late:
    """A dispatcher that sends later than its caller asks."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.asked: list[Callable[[], None]] = []

    def dispatch(self, *arguments: Any, **named: Any) -> None:
        self.asked.append(lambda: self.real.dispatch(*arguments, **named))

    def send(self) -> None:
        for call in self.asked:
            call()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


# -- rule 1: message before record


@bug
def submit_writes_the_record_first() -> Patches:
    accept = submission.Submission._accept

    def wrong(self: Any, *arguments: Any) -> Any:
        late = Late(self.dispatcher)
        done = accept(replace(self, dispatcher=late), *arguments)
        late.send()
        return done

    yield mock.patch.object(submission.Submission, "_accept", wrong)


@bug
def retry_writes_the_record_first() -> Patches:
    settle = Pipeline.settle

    def wrong(self: Any, *arguments: Any, **named: Any) -> Any:
        late = Late(self.dispatcher)
        done = settle(replace(self, dispatcher=late), *arguments, **named)
        late.send()
        return done

    yield mock.patch.object(Pipeline, "settle", wrong)


# -- rule 2: claim by condition, write by fence


@bug
def generations_are_ignored() -> Patches:
    yield conditions(("generation = :generation", f"(generation = :generation OR {ANYWAY})"))

    def wrong(task: Any, wakeup: Any, **given: Any) -> Decision:
        return decide(task, replace(wakeup, generation=task.generation) if task else wakeup, **given)

    yield mock.patch.object(pipeline, "decide", wrong)


@bug
def a_live_lease_is_taken_over() -> Patches:
    yield conditions(("leaseUntil <= :now", f"(leaseUntil <= :now OR {ANYWAY})"))

    def wrong(task: Any, wakeup: Any, **given: Any) -> Decision:
        return decide(task and replace(task, lease_until=0), wakeup, **given)

    yield mock.patch.object(pipeline, "decide", wrong)


@bug
def the_fence_is_not_checked() -> Patches:
    mine = f"(#state = :running OR {ANYWAY}) AND (attempt = :fence OR {ANYWAY})"
    yield mock.patch.object(tasks, "FENCE_CONDITION", mine)


@bug
def a_task_is_claimed_before_its_time() -> Patches:
    yield conditions(("availableAt <= :now", f"(availableAt <= :now OR {ANYWAY})"))


@bug
def an_early_message_is_dropped() -> Patches:
    yield verdicts(lambda verdict, _: Decision(Action.DELETE, "") if verdict.action is Action.SEND_AGAIN else verdict)


@bug
def a_message_of_a_live_lease_is_acknowledged() -> Patches:
    yield verdicts(
        lambda verdict, task: (
            Decision(Action.DELETE, "")
            if verdict.action is Action.LOOK_AGAIN and task is not None and task.state == "RUNNING"
            else verdict
        )
    )


@bug
def a_message_before_its_record_is_dropped() -> Patches:
    yield verdicts(
        lambda verdict, task: (
            Decision(Action.DELETE, "")
            if verdict.action is Action.LOOK_AGAIN and (task is None or task.state != "RUNNING")
            else verdict
        )
    )


@bug
def a_redrive_is_overtaken_by_its_own_wake_up() -> Patches:
    """docs/adr/0014: a dead letter is taken for settled, whatever generation is announced."""

    def wrong(task: Any, wakeup: Any) -> bool:
        return task is not None and (task.generation >= wakeup.generation or task.settled)

    for module in (wakeups, pipeline, dead_letter):
        yield mock.patch.object(module, "write_has_landed", wrong)


# -- rule 3: delete the message last


@bug
def the_message_is_deleted_before_the_consequences() -> Patches:
    work, run = Pipeline.process, Consequences.run

    def remembering(self: Any, message: Any, **named: Any) -> Any:
        fiber = running()
        assert fiber is not None
        fiber.message = message
        return work(self, message, **named)

    def wrong(self: Any, task: Any) -> None:
        message = getattr(running(), "message", None)
        if message is not None:
            self.dispatcher.queues.delete_many(self.dispatcher.routing.lane_of_task(task), [message.receipt])
        run(self, task)

    yield mock.patch.object(Pipeline, "process", remembering)
    yield mock.patch.object(Consequences, "run", wrong)


@bug
def a_settled_task_is_not_looked_at_again() -> Patches:
    yield verdicts(
        lambda verdict, _: Decision(Action.DELETE, "") if verdict.action is Action.RUN_CONSEQUENCES else verdict
    )


# -- attempts


@bug
def an_attempt_that_could_not_run_is_charged() -> Patches:
    """docs/adr/0017."""
    yield mock.patch.object(settlement, "UNCHARGED_ATTEMPTS_LIMIT", 0)


@bug
def an_uncharged_attempt_gives_its_fence_back() -> Patches:
    """docs/adr/0017: the attempt number is lowered, where the maximum has to rise."""
    update = Table.update

    def wrong(self: Table, key: Any, expression: str, *, values: Any, **rest: Any) -> Any:
        done = update(self, key, expression, values=values, **rest)
        if "LoopBlocked" in str(values) and "not let run" in str(values) and isinstance(done, Updated):
            back = {":attempt": {"N": str(int(done.item["attempt"]["N"]) - 1)}}
            return update(self, key, "SET attempt = :attempt", values=back, condition="attribute_exists(pk)")
        return done

    yield mock.patch.object(Table, "update", wrong)


# -- dependencies


@bug
def a_dependent_is_released_too_early() -> Patches:
    discard = TaskStore.discard_waiting

    def wrong(self: Any, *arguments: Any) -> WriteResult:
        answer = discard(self, *arguments)
        return Applied(replace(answer.task, waiting_for=frozenset())) if isinstance(answer, Applied) else answer

    yield mock.patch.object(TaskStore, "discard_waiting", wrong)
    yield conditions(("attribute_not_exists(waitingFor)", ANYWAY))


@bug
def a_node_is_released_too_early() -> Patches:
    """Nobody looks at what it waits for."""
    get_by_ids = TaskStore.get_by_ids

    def wrong(self: Any, *arguments: Any, **named: Any) -> Any:
        found = get_by_ids(self, *arguments, **named)
        return {name: replace(task, waiting_for=frozenset()) for name, task in found.items()}

    yield mock.patch.object(TaskStore, "get_by_ids", wrong)
    yield conditions(("attribute_not_exists(waitingFor) OR waitingFor = :last", f"waitingFor = :last OR {ANYWAY}"))


@bug
def a_task_is_released_twice() -> Patches:
    """By the next delivery of what released it, or by two upstreams at once."""
    settled = "#state = :blocked AND generation = :seen AND availableAt = :due AND priority = :priority"
    anyhow = " AND ".join(f"({part} OR {ANYWAY})" for part in settled.split(" AND "))
    yield conditions((settled, anyhow))


@bug
def an_upstream_that_settles_meanwhile_is_missed() -> Patches:
    flag = TaskStore.flag_dependents

    def wrong(self: Any, *arguments: Any) -> Any:
        flag(self, *arguments)

    yield mock.patch.object(TaskStore, "flag_dependents", wrong)


@bug
def a_release_undoes_a_move() -> Patches:
    yield conditions(
        (
            "availableAt = :due AND priority = :priority",
            f"(availableAt = :due OR {ANYWAY}) AND (priority = :priority OR {ANYWAY})",
        )
    )


@bug
def a_redrive_leaves_its_end_unfinished() -> Patches:
    redrive_one = DeadLetters._redrive_one

    def wrong(self: Any, *arguments: Any, **named: Any) -> Any:
        return redrive_one(replace(self, consequences=mock.Mock()), *arguments, **named)

    yield mock.patch.object(DeadLetters, "_redrive_one", wrong)


# -- runs, schedules


@bug
def a_node_is_counted_each_time_it_ends() -> Patches:
    yield conditions(("contains(waitingFor, :member)", f"(contains(waitingFor, :member) OR {ANYWAY})"))


@bug
def a_firing_is_keyed_by_when_it_comes() -> Patches:
    key = firings.firing_idempotency_key

    def wrong(schedule: str, at: int) -> str:
        return f"{key(schedule, 0)[:-24]}{iso_time(clock())}"

    yield mock.patch.object(firings, "firing_idempotency_key", wrong)


@bug
def a_scheduled_run_has_an_id_of_its_own() -> Patches:
    """Each delivery of a firing starts a run."""
    yield mock.patch.object(workflow_submission, "run_id_for_key", lambda tenant, key: id_for_key(tenant, str(clock())))


@bug
def a_firing_does_not_look_at_the_one_before() -> Patches:
    yield mock.patch.object(firings.Firings, "_is_unfinished", return_value=False)


# -- pools


@bug
def a_wakeup_of_another_pool_is_deleted() -> Patches:
    yield mock.patch.object(Pipeline, "_pass_on", return_value=Delete())


@bug
def a_wakeup_goes_to_the_default_pool_whatever_its_type() -> Patches:
    """And its worker takes it for its own."""
    yield mock.patch.object(Routing, "lane_of", lambda self, type, priority: band_of(priority))
    yield mock.patch.object(Routing, "runs_in", return_value=True)


@bug
def a_child_is_named_by_the_time_of_its_submit() -> Patches:
    key = children.child_idempotency_key
    yield mock.patch.object(children, "child_idempotency_key", lambda parent, name: key(parent, f"{name} {clock()}"))


# -- effects, counters, requests


@bug
def an_effect_is_not_reserved_before() -> Patches:
    reserve = Effects.reserve

    def wrong(self: Any, task: Any, name: str, **given: Any) -> Any:
        if self.table.get(keys.task_key(task.tenant, task.id, keys.EFFECT + name)) is None:
            return None
        return reserve(self, task, name, **given)

    def record(self: Any, task: Any, name: str, result: str, *, token: str) -> None:
        item = keys.task_key(task.tenant, task.id, keys.EFFECT + name)
        fields = {"attempt": {"N": str(task.attempt)}, "token": string_value(token), "result": string_value(result)}
        self.table.put(item | fields, if_absent=True)

    yield mock.patch.object(Effects, "reserve", wrong)
    yield mock.patch.object(Effects, "record", record)


@bug
def an_event_is_counted_each_time_it_comes() -> Patches:
    yield mock.patch.object(StreamPositions, "uncounted_events", lambda self, shard, events: list(events))


@bug
def a_cancel_does_not_look_at_the_state() -> Patches:
    yield conditions(
        (
            f"({tasks.CLAIMABLE_CONDITION} OR #state = :blocked)",
            f"({tasks.CLAIMABLE_CONDITION} OR #state = :blocked OR {ANYWAY})",
        )
    )
    allowed = frozenset({*submission.State})
    yield mock.patch("functions.api.tasks.changes.CANCELLABLE", allowed)
