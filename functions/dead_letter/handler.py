"""Entry point of the dead-letter function: wake-ups that SQS moved to the DLQ of a lane after too many receives.

Receives count failures of the infrastructure (throttled or crashing Lambdas), never of the task. The wake-up of a task
that has not settled is sent to its lane again, with a higher `rounds`; no attempt is charged. A task that kills its
workers becomes DEAD by its own attempts.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from functions.core.wakeup import WakeUp, write_has_landed, writer_has_ended
from functions.runtime import wiring
from functions.runtime.consequences import Consequences
from functions.runtime.dispatch import Dispatcher
from functions.runtime.environment import DeadLetterEnvironment
from functions.runtime.metrics import Metrics
from functions.store.tasks import TaskStore

logger = logging.getLogger("taskyard.dead_letter")

RETURN_DELAY_MS = 30_000
"""Delay of a wake-up that is sent again: the cause of so many failures rarely ends within a second."""


@dataclass(frozen=True, kw_only=True)
class WakeUpReturner:
    tasks: TaskStore
    consequences: Consequences
    dispatcher: Dispatcher
    metrics: Metrics
    writer_ms: int

    def process(self, wakeup: WakeUp, *, now: int, sent_at: int) -> str | None:
        """Returns what was done, for the log, or None when the message must be delivered again. `now`,
        `sent_at`: epoch ms."""
        task = self.tasks.get(wakeup.tenant, wakeup.task)
        writer_ended = writer_has_ended(now=now, sent_at=sent_at, writer_ms=self.writer_ms)
        if task is None:
            return "dropped: its record was never written" if writer_ended else None
        if task.settled:
            if not (writer_ended or write_has_landed(task, wakeup)):
                # The write of a redrive may be about to land.
                return None
            self.consequences.run(task)
            return f"consequences again: the task is {task.state}"
        if task.generation > wakeup.generation:
            return "dropped: superseded"
        self.dispatcher.dispatch(
            task,
            generation=wakeup.generation,
            at=max(now + RETURN_DELAY_MS, task.available_at),
            now=now,
            rounds=wakeup.rounds + 1,
        )
        self.metrics.count("WakeupReturned", lane=self.dispatcher.routing.lane_of_task(task))
        return f"sent round again, for the {wakeup.rounds + 1}. time"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: SQS records (events/dead_letter/). Returns `batchItemFailures`."""
    returner = services()
    failures = []
    for record in event["Records"]:
        now = wiring.clock()
        try:
            wakeup = parse_wakeup(record["body"])
        except ValueError as error:
            # The message is deleted. Its values are a stranger's and are not logged, its shape is in the error.
            logger.error("dropped, unreadable: %s", error, extra={"messageId": record.get("messageId")})
            returner.metrics.count("EventUnreadable")
            continue
        try:
            action = returner.process(wakeup, now=now, sent_at=int(record["attributes"]["SentTimestamp"]))
        except Exception:
            logger.exception("message stays in the DLQ", extra={"taskId": wakeup.task})
            failures.append({"itemIdentifier": record["messageId"]})
        else:
            logger.warning(action or "message stays in the DLQ", extra={"taskId": wakeup.task, "rounds": wakeup.rounds})
            if action is None:
                failures.append({"itemIdentifier": record["messageId"]})
    returner.metrics.flush(wiring.clock())
    return {"batchItemFailures": failures}


def parse_wakeup(body: str) -> WakeUp:
    """The body is a wake-up when SQS moved the message here. When EventBridge Scheduler could not deliver a timer, the
    body is the request that it would have sent, which contains the wake-up. Raises ValueError for anything else."""
    try:
        return WakeUp.parse(body)
    except ValueError:
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            request = None
        inner_body = request.get("MessageBody") or request.get("Input") if isinstance(request, dict) else None
        if not isinstance(inner_body, str):
            raise
    return WakeUp.parse(inner_body)


@cache
def services() -> WakeUpReturner:
    environment = DeadLetterEnvironment(os.environ)
    return WakeUpReturner(
        tasks=wiring.task_store(environment),
        consequences=wiring.consequences(environment),
        dispatcher=wiring.dispatcher(environment),
        metrics=Metrics(environment.name),
        writer_ms=wiring.writer_ms(environment),
    )
