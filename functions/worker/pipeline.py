"""One wake-up, from SQS to its end: `claim → run → settle → consequences`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from taskyard.tasks.context import Context
from taskyard.tasks.http import HttpClient
from taskyard.tasks.mail import Mail
from taskyard.tasks.signature import Secrets
from taskyard.tasks.text import bounded

from functions.core.errors import PayloadTooLarge
from functions.core.failure import failure_of
from functions.core.outcomes import Failed, Outcome, Succeeded
from functions.core.payloads.masking import Redaction
from functions.core.settlement import Settlement, settle
from functions.core.states import State
from functions.core.task import ERROR_LIMIT, Task, Text
from functions.core.task_types import Registry
from functions.core.wakeup import LOOK_AGAIN_SECONDS, Do, Verdict, WakeUp, decide, landed
from functions.core.workflows.run import node_id
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.metrics import Metrics
from functions.store.documents import Documents
from functions.store.effects import Effects
from functions.store.tasks import Found, TaskStore, Wrote
from functions.worker.execution import Execution, Executor
from functions.worker.record import AttemptRecorder
from functions.worker.redaction import redacted, redacting

logger = logging.getLogger("taskyard.worker")

SETTLE_MARGIN_MS = 5_000
"""Kept free at the end of an invocation: settle and consequences take a few calls, each tried again when throttled."""
START_MARGIN_MS = 3_000
"""Between the start of an invocation and its first claim: imports of a cold start, a slow first call."""
LEASE_MARGIN_MS = 2_000
"""Clocks of two Lambdas differ by less than this; the lease ends so much after the Lambda must."""
STUCK_EXIT_MS = 5_000
"""A stuck handler's process is ended right after its retry is written: within this."""
OVERTAKEN_SECONDS = (0.03, 0.12)
"""A wake-up is sent just before the write that it announces, and a warm worker can have it first. The write mostly
lands within these pauses; handing the message back instead costs seconds and three calls."""
FRESH_MS = 1_000
"""A wake-up older than this, whose write has not landed, is not one that has just overtaken it."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A wake-up as SQS delivered it. sent_at: epoch ms; receives: 1 the first time."""

    id: str
    receipt: str
    wakeup: WakeUp
    sent_at: int
    receives: int


@dataclass(frozen=True)
class Delete:
    """Done: the message may go."""


@dataclass(frozen=True)
class ShowAgain:
    """Not done: the message is shown again after `seconds` (None: when its visibility ends)."""

    seconds: int | None


@dataclass(frozen=True)
class RunAlone:
    """Its last worker died, in this attempt. It may have been this task that killed it, so it runs when nothing runs
    beside it."""

    attempt: int


@dataclass(frozen=True)
class Stuck:
    """Timed out, but its thread still runs: settled last, then the process ends."""

    task: Task
    outcome: Failed
    log: tuple[str, ...]


Disposition = Delete | ShowAgain | RunAlone | Stuck


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """`clock`: epoch ms. `invocation_ms`: the worker function's own time-out. `writer_ms`: the longest that a writer
    of records may run."""

    tasks: TaskStore
    documents: Documents
    effects: Effects
    dispatcher: Dispatcher
    consequences: Consequences
    registry: Callable[[], Registry]
    executor: Executor
    mail: Mail
    http: HttpClient
    secrets: Secrets
    metrics: Metrics
    clock: Callable[[], int]
    lane: str
    invocation_ms: int
    writer_ms: int
    pause: Callable[[float], None]
    """Waits so many seconds."""

    def work(self, message: Message, *, holder: str, ends_at: int, alone: bool) -> Disposition:
        """`ends_at`: epoch ms, when this invocation is cut off. `holder`: unique to this delivery."""
        wakeup = message.wakeup
        now = self.clock()
        # What asks for more than a whole invocation is not handed back for ever: it gets what a fresh one has.
        needed = min(wakeup.timeout_seconds * 1000, self.invocation_ms - START_MARGIN_MS - SETTLE_MARGIN_MS)
        if now + needed + SETTLE_MARGIN_MS > ends_at:
            return ShowAgain(0)
        answer = self._claim(wakeup, ends_at, holder)
        for pause in OVERTAKEN_SECONDS:
            if landed(answer.task, wakeup) or now - message.sent_at > FRESH_MS:
                break
            self.pause(pause)
            now = self.clock()
            answer = self._claim(wakeup, ends_at, holder)
        if isinstance(answer, Wrote):
            return self._run(answer.task, ends_at)
        found = answer.task
        if found is not None and found.holder == holder and found.state is State.RUNNING:
            # Our own claim, whose answer was lost on the way and was sent again.
            return self._run(found, ends_at)
        verdict = decide(
            found,
            wakeup,
            now=now,
            sent_at=message.sent_at,
            receives=message.receives,
            writer_ms=self.writer_ms,
        )
        logger.info(verdict.do, extra={"taskId": wakeup.task, "reason": verdict.reason})
        return self._obey(verdict, found, wakeup, holder=holder, ends_at=ends_at, alone=alone)

    def _claim(self, wakeup: WakeUp, ends_at: int, holder: str) -> Wrote | Found:
        return self.tasks.claim(
            wakeup.tenant,
            wakeup.task,
            wakeup.generation,
            now=self.clock(),
            lease_until=ends_at + LEASE_MARGIN_MS,
            holder=holder,
        )

    def _obey(
        self, verdict: Verdict, task: Task | None, wakeup: WakeUp, *, holder: str, ends_at: int, alone: bool
    ) -> Disposition:
        if verdict.do is Do.LOOK_AGAIN or task is None:
            return Delete() if verdict.do is Do.DELETE else ShowAgain(verdict.seconds)
        now = self.clock()
        match verdict.do:
            case Do.CONSEQUENCES:
                self.consequences.run(task)
            case Do.RELINK:
                self.consequences.link(task)
            case Do.SEND_ON:
                self.dispatcher.dispatch(
                    task, generation=task.generation, at=task.available_at, now=now, rounds=wakeup.rounds
                )
            case Do.GIVE_UP:
                given_up = self.tasks.give_up(task, now=now)
                if isinstance(given_up, Found):
                    return ShowAgain(LOOK_AGAIN_SECONDS)
                self.metrics.count("TaskDeadLettered", lane=self.lane)
                self.consequences.run(given_up.task)
            case Do.TAKE_OVER:
                if not alone:
                    return RunAlone(task.attempt)
                taken = self.tasks.take_over(task, now=now, lease_until=ends_at + LEASE_MARGIN_MS, holder=holder)
                if isinstance(taken, Found) and (taken.task is None or taken.task.holder != holder):
                    return ShowAgain(LOOK_AGAIN_SECONDS)
                return self._run(taken.task, ends_at)  # type: ignore[arg-type]
            case Do.CLAIM:
                # Due now, or waiting again, between the refused claim and its answer.
                return ShowAgain(0)
            case Do.DELETE:
                pass
        return Delete()

    def _run(self, task: Task, ends_at: int) -> Disposition:
        started = task.started_at or self.clock()
        self.metrics.count("TaskStarted", lane=self.lane)
        self.metrics.time("QueueWait", max(0, started - task.available_at), lane=self.lane)
        if task.attempt == 1 and task.available_at > task.created_at:
            self.metrics.time("Drift", started - task.available_at, lane=self.lane)
        ends = min(started + task.timeout_seconds * 1000, ends_at - SETTLE_MARGIN_MS)
        log: list[str] = []
        try:
            kind = self.registry().find(task.type)
            payload = self.documents.read(task.tenant, task.id, task.payload)
            redaction = Redaction.of(kind.mask(payload), payload)
            ctx = Context(
                task_id=task.id,
                tenant=task.tenant,
                type=task.type,
                attempt=task.attempt,
                max_attempts=task.retry.max_attempts,
                deadline=ends / 1000,
                tags=task.tags,
                inputs=self._inputs(task),
                mail=self.mail,
                http=self.http,
                secrets=self.secrets,
                now=lambda: self.clock() / 1000,
                _recorder=AttemptRecorder(task, self.tasks, self.effects, self.clock, redaction),
                _log=log,
            )
        except Exception as error:
            # Its type was accepted by a newer or older deployment of the api, and a retry may meet a worker that knows
            # it; or a document cannot be read for now. Said on the task, not left to its lease's end.
            return self.settle(task, failure_of(error))
        now = self.clock()
        try:
            with redacting(redaction):
                ended = self.executor.run(
                    kind, ctx, payload, seconds=(ends - now) / 1000, limit=(ends_at - SETTLE_MARGIN_MS - now) / 1000
                )
        except Exception as error:
            # No thread could be started for it: the handlers of this process hold too many.
            ended = Execution(failure_of(error))
        self.metrics.time("RunTime", self.clock() - started, lane=self.lane)
        outcome, lines = redacted(ended.outcome, redaction), tuple(map(redaction.text, log))
        if ended.stuck and isinstance(outcome, Failed):
            return Stuck(task, outcome, lines)
        if ctx.lease_lost:
            # However it ended: the fence was refused, so there is nothing to settle.
            logger.warning("lease lost: another attempt runs", extra={"taskId": task.id, "attempt": task.attempt})
            return ShowAgain(None)
        return self.settle(task, outcome, log=lines)

    def _inputs(self, task: Task) -> dict[str, Any]:
        """What the upstreams returned: by task id, or by name for a node of a workflow."""
        ids: Sequence[str] = task.dependencies
        if task.member is not None:
            ids = [
                node_id(task.member.run, index) for index in self.consequences.runs.upstream_indexes(task, task.member)
            ]
        if not ids:
            return {}
        upstreams = self.tasks.get_many(task.tenant, ids, consistent=True)
        return {
            # A task that is no node may wait for nodes of several runs: their names are not theirs alone.
            upstream.member.name if task.member and upstream.member else upstream.id: self.documents.read(
                upstream.tenant, upstream.id, upstream.result
            )
            for upstream in upstreams.values()
        }

    def settle(self, task: Task, outcome: Outcome, *, log: tuple[str, ...] = (), not_before: int = 0) -> Disposition:
        """Writes how the attempt ended, then its consequences. `not_before`: epoch ms, the earliest next attempt."""
        result: Text | None = None
        if isinstance(outcome, Succeeded) and outcome.result is not None:
            try:
                result = self.documents.keep_result(task.tenant, task.id, outcome.result)
            except PayloadTooLarge as error:
                message = f"the handler's result cannot be stored: {error.size} bytes, the limit is {error.limit}"
                outcome = Failed(type(error).__name__, message, permanent=True)
        if isinstance(outcome, Failed):
            self._log(task, outcome)
        settlement = settle(task, outcome, now=self.clock(), log=log, not_before=not_before)
        if settlement.available_at is not None:
            self.dispatcher.dispatch(task, generation=task.generation + 1, at=settlement.available_at, now=self.clock())
        answer = self.tasks.settle(task, settlement, result=result)
        if isinstance(answer, Wrote):
            self._count(settlement)
        found = answer.task
        if found is None or found.generation > task.generation:
            return Delete()
        if not found.settled:
            # Refused: the lease ended and another attempt holds the task. This message stays for whoever that is.
            return ShowAgain(None)
        self.consequences.run(found)
        return Delete()

    def _log(self, task: Task, failed: Failed) -> None:
        logger.warning(
            "attempt %d of task %s (%s) failed: %s: %s\n%s",
            task.attempt,
            task.id,
            task.type,
            failed.error_type,
            bounded(failed.message, ERROR_LIMIT),
            failed.traceback or "",
            extra={"taskId": task.id, "taskType": task.type, "attempt": task.attempt, "errorType": failed.error_type},
        )

    def _count(self, settlement: Settlement) -> None:
        counted = {
            State.SUCCESS: ("TaskSucceeded",),
            State.RETRY: ("TaskRetried",),
            State.FAILED: ("TaskFailed", "TaskDeadLettered"),
            State.DEAD: ("TaskDeadLettered",),
        }
        for name in counted[settlement.state]:
            self.metrics.count(name, lane=self.lane)
