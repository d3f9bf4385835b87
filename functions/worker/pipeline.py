"""One wake-up, from its delivery to its end: claim → run → settle → consequences."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from taskyard.tasks.text import truncate

from functions.core.errors import PayloadTooLarge
from functions.core.outcomes import Failed, Outcome, Succeeded
from functions.core.pools import Routing
from functions.core.settlement import Settlement, settle
from functions.core.states import State
from functions.core.task import ERROR_LIMIT, Document, Task
from functions.core.wakeup import LOOK_AGAIN_SECONDS, Action, Decision, WakeUp, decide, write_has_landed
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.metrics import Metrics
from functions.store.documents import Documents
from functions.store.tasks import Applied, Rejected, TaskStore
from functions.worker.attempts import AttemptRunner
from functions.worker.messages import Delete, Disposition, Message, RunAlone, ShowAgain, Stuck

logger = logging.getLogger("taskyard.worker")

SETTLE_MARGIN_MS = 5_000
"""Reserved at the end of an invocation: settling and consequences take a few calls, each repeated when throttled."""
START_MARGIN_MS = 3_000
"""Between the start of an invocation and its first claim: imports of a cold start, a slow first call."""
LEASE_MARGIN_MS = 2_000
"""The clocks of two Lambdas differ by less than this. A lease ends this long after its Lambda is cut off."""
STUCK_EXIT_MS = 5_000
"""The process of a stuck handler ends within this time after the retry is written."""
OVERTAKEN_SECONDS = (0.03, 0.12)
"""Pauses between claims. A wake-up is sent just before the write that it announces, and a warm worker can receive it
first. Mostly the write lands within these pauses; to return the message instead costs seconds and three calls."""
FRESH_MS = 1_000
"""A wake-up older than this cannot have overtaken its write by chance."""
PASS_ON_DELAY_MS = 1_000
"""Delay of a wake-up that goes to the lane of another pool. While a deployment replaces the workers one by one, two of
them may each take the other's pool for the right one. The wake-up then goes back and forth once a second, and not as
fast as it can."""


METRICS_OF_STATE = {
    State.SUCCESS: ("TaskSucceeded",),
    State.RETRY: ("TaskRetried",),
    State.FAILED: ("TaskFailed", "TaskDeadLettered"),
    State.DEAD: ("TaskDeadLettered",),
}
"""Counted when an attempt is settled with this state."""


class Delivery(NamedTuple):
    """One message in one invocation. `holder`: unique to this delivery, stored with the claim. `ends_at`: epoch ms,
    when Lambda cuts the invocation off. `alone`: no other task runs in this process."""

    message: Message
    holder: str
    ends_at: int
    alone: bool

    @property
    def wakeup(self) -> WakeUp:
        return self.message.wakeup

    @property
    def lease_until(self) -> int:
        return self.ends_at + LEASE_MARGIN_MS


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """`clock`: epoch ms. `invocation_ms`: the time-out of the worker function. `writer_ms`: the longest time-out of a
    function that writes task records. `pause`: sleeps for a number of seconds."""

    tasks: TaskStore
    documents: Documents
    dispatcher: Dispatcher
    consequences: Consequences
    attempts: AttemptRunner
    metrics: Metrics
    clock: Callable[[], int]
    lane: str
    invocation_ms: int
    writer_ms: int
    pause: Callable[[float], None]

    def process(self, message: Message, *, holder: str, ends_at: int, alone: bool) -> Disposition:
        """Parameters as in Delivery."""
        delivery = Delivery(message, holder, ends_at, alone)
        now = self.clock()
        if not self._has_time_for(delivery, now):
            return ShowAgain(0)
        if not self.routing.runs_in(message.wakeup.type, self.lane):
            # Of another pool, or from an earlier release, whose wake-ups do not name the type.
            task = self.tasks.get(message.wakeup.tenant, message.wakeup.task)
            if task is None or not self.routing.runs_in(task.type, self.lane):
                return self._pass_on(delivery, task, now)
        result, now = self._claim(delivery, now)
        if isinstance(result, Applied):
            return self._run(result.task, ends_at)
        task = result.task
        if task is not None and task.holder == holder and task.state is State.RUNNING:
            # The claim succeeded, its response was lost, and boto3 sent it again.
            return self._run(task, ends_at)
        return self._carry_out(self._decide(task, message, now), task, delivery)

    def _has_time_for(self, delivery: Delivery, now: int) -> bool:
        """A task that asks for more than a whole invocation gets what a new invocation has; otherwise its message would
        be returned for ever."""
        needed = min(delivery.wakeup.timeout_seconds * 1000, self.invocation_ms - START_MARGIN_MS - SETTLE_MARGIN_MS)
        return now + needed + SETTLE_MARGIN_MS <= delivery.ends_at

    @property
    def routing(self) -> Routing:
        return self.dispatcher.routing

    def _pass_on(self, delivery: Delivery, task: Task | None, now: int) -> Disposition:
        """Does what any worker can do. When the task is to run, its wake-up goes to a lane of its pool. A crash between
        the two leaves both messages: one claim wins."""
        decision = self._decide(task, delivery.message, now)
        if task is None or decision.action not in (Action.CLAIM, Action.TAKE_OVER):
            return self._carry_out(decision, task, delivery)
        self.dispatcher.dispatch(
            task, generation=task.generation, at=now + PASS_ON_DELAY_MS, now=now, rounds=delivery.wakeup.rounds
        )
        return Delete()

    def _decide(self, task: Task | None, message: Message, now: int) -> Decision:
        decision = decide(
            task,
            message.wakeup,
            now=now,
            sent_at=message.sent_at,
            receives=message.receives,
            writer_ms=self.writer_ms,
        )
        logger.info(decision.action, extra={"taskId": message.wakeup.task, "reason": decision.reason})
        return decision

    # -- claim

    def _claim(self, delivery: Delivery, now: int) -> tuple[Applied | Rejected, int]:
        """The result of the last claim, and the time before it (epoch ms). Repeated while the wake-up may have
        overtaken the write that it announces."""
        result = self._claim_once(delivery)
        for seconds in OVERTAKEN_SECONDS:
            if write_has_landed(result.task, delivery.wakeup) or now - delivery.message.sent_at > FRESH_MS:
                break
            self.pause(seconds)
            now = self.clock()
            result = self._claim_once(delivery)
        return result, now

    def _claim_once(self, delivery: Delivery) -> Applied | Rejected:
        wakeup = delivery.wakeup
        return self.tasks.claim(
            wakeup.tenant,
            wakeup.task,
            wakeup.generation,
            now=self.clock(),
            lease_until=delivery.lease_until,
            holder=delivery.holder,
        )

    def _carry_out(self, decision: Decision, task: Task | None, delivery: Delivery) -> Disposition:
        """What to do with a wake-up whose claim was refused. `task`: as the refusal returned it."""
        if decision.action is Action.LOOK_AGAIN or task is None:
            return Delete() if decision.action is Action.DELETE else ShowAgain(decision.delay_seconds)
        now = self.clock()
        match decision.action:
            case Action.RUN_CONSEQUENCES:
                self.consequences.run(task)
            case Action.CHECK_DEPENDENCIES:
                self.consequences.link_dependencies(task)
            case Action.SEND_AGAIN:
                rounds = delivery.wakeup.rounds
                self.dispatcher.dispatch(task, generation=task.generation, at=task.available_at, now=now, rounds=rounds)
            case Action.GIVE_UP:
                return self._give_up(task, now)
            case Action.TAKE_OVER:
                return self._take_over(task, delivery, now)
            case Action.CLAIM:
                # The task became due, or claimable again, after the claim was refused.
                return ShowAgain(0)
            case Action.DELETE:
                pass
        return Delete()

    def _give_up(self, task: Task, now: int) -> Disposition:
        result = self.tasks.give_up(task, now=now)
        if isinstance(result, Rejected):
            return ShowAgain(LOOK_AGAIN_SECONDS)
        self.metrics.count("TaskDeadLettered", lane=self.lane)
        self.consequences.run(result.task)
        return Delete()

    def _take_over(self, task: Task, delivery: Delivery, now: int) -> Disposition:
        if not delivery.alone:
            return RunAlone(task.attempt)
        result = self.tasks.take_over(task, now=now, lease_until=delivery.lease_until, holder=delivery.holder)
        if isinstance(result, Rejected) and (result.task is None or result.task.holder != delivery.holder):
            return ShowAgain(LOOK_AGAIN_SECONDS)
        return self._run(result.task, delivery.ends_at)  # type: ignore[arg-type]

    # -- run

    def _run(self, task: Task, ends_at: int) -> Disposition:
        """Runs the attempt that this delivery has claimed, and settles it."""
        attempt = self.attempts.run(task, stop_at=ends_at - SETTLE_MARGIN_MS)
        if attempt.stuck and isinstance(attempt.outcome, Failed):
            return Stuck(task, attempt.outcome, attempt.log)
        if attempt.lease_lost:
            # Whatever the outcome: a later attempt holds the task, and would refuse the settlement.
            logger.warning("lease lost: another attempt runs", extra={"taskId": task.id, "attempt": task.attempt})
            return ShowAgain(None)
        return self.settle(task, attempt.outcome, log=attempt.log)

    # -- settle, consequences

    def settle(self, task: Task, outcome: Outcome, *, log: tuple[str, ...] = (), not_before: int = 0) -> Disposition:
        """Writes what the outcome makes of the task, then runs the consequences. `not_before`: epoch ms, the earliest
        start of the next attempt."""
        outcome, result = self._store_result(task, outcome)
        if isinstance(outcome, Failed):
            log_failure(task, outcome)
        settlement = settle(task, outcome, now=self.clock(), log=log, not_before=not_before)
        if settlement.available_at is not None:
            # The message of the next attempt goes out before its record is written (docs/adr/0002).
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=settlement.available_at, now=self.clock())
        written = self.tasks.settle(task, settlement, result=result)
        if isinstance(written, Applied):
            self._count(settlement)
        current = written.task
        if current is None or current.generation > task.generation:
            return Delete()
        if not current.settled:
            # Refused: the lease ended, and another attempt holds the task. The message stays until that one settles.
            return ShowAgain(None)
        self.consequences.run(current)
        return Delete()

    def _store_result(self, task: Task, outcome: Outcome) -> tuple[Outcome, Document | None]:
        """The outcome, failed when its result is too large; and where the result is stored."""
        if not isinstance(outcome, Succeeded) or outcome.result is None:
            return outcome, None
        try:
            return outcome, self.documents.store_result(task.tenant, task.id, outcome.result)
        except PayloadTooLarge as error:
            message = f"the handler's result cannot be stored: {error.size} bytes, the limit is {error.limit}"
            return Failed(type(error).__name__, message, permanent=True), None

    def _count(self, settlement: Settlement) -> None:
        for name in METRICS_OF_STATE[settlement.state]:
            self.metrics.count(name, lane=self.lane)


def log_failure(task: Task, failed: Failed) -> None:
    logger.warning(
        "attempt %d of task %s (%s) failed: %s: %s\n%s",
        task.attempt,
        task.id,
        task.type,
        failed.error_type,
        truncate(failed.message, ERROR_LIMIT),
        failed.traceback or "",
        extra={"taskId": task.id, "taskType": task.type, "attempt": task.attempt, "errorType": failed.error_type},
    )
