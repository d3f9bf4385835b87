"""Entry point of the dead-letter function: wake-ups that a lane's worker received too often, from every lane's DLQ.

That count tells of infrastructure (throttled or crashing Lambdas), never of the task: what has not settled goes
round again, counted apart, no attempt charged. A poison task ends as DEAD by its own attempts.
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

PAUSE_MS = 30_000
"""Before a wake-up goes round again: whatever made its lane fail so often is not over in a second."""


@dataclass(frozen=True, kw_only=True)
class Returns:
    tasks: TaskStore
    consequences: Consequences
    dispatcher: Dispatcher
    metrics: Metrics
    writer_ms: int

    def take(self, wakeup: WakeUp, *, now: int, sent_at: int) -> str | None:
        """Returns what was done, for the log; None: nothing yet, look again. Epoch ms."""
        task = self.tasks.get(wakeup.tenant, wakeup.task)
        gone = writer_has_ended(now=now, sent_at=sent_at, writer_ms=self.writer_ms)
        if task is None:
            return "dropped: its record was never written" if gone else None
        if task.settled:
            if not (gone or write_has_landed(task, wakeup)):
                # A redrive may be about to write.
                return None
            self.consequences.run(task)
            return f"consequences again: the task is {task.state}"
        if task.generation > wakeup.generation:
            return "dropped: superseded"
        self.dispatcher.dispatch(
            task,
            generation=wakeup.generation,
            at=max(now + PAUSE_MS, task.available_at),
            now=now,
            rounds=wakeup.rounds + 1,
        )
        self.metrics.count("WakeupReturned", lane=task.lane)
        return f"sent round again, for the {wakeup.rounds + 1}. time"


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`event`: SQS records (events/dead_letter/). Returns `batchItemFailures`."""
    returns = services()
    failures = []
    for record in event["Records"]:
        now = wiring.clock()
        try:
            wakeup = unpacked(record["body"])
        except ValueError as error:
            # Whole, because this is the last that is seen of it.
            logger.error("dropped, unreadable: %s", error, extra={"body": record["body"]})
            continue
        try:
            done = returns.take(wakeup, now=now, sent_at=int(record["attributes"]["SentTimestamp"]))
        except Exception:
            logger.exception("put back", extra={"taskId": wakeup.task})
            failures.append({"itemIdentifier": record["messageId"]})
        else:
            logger.warning(done or "put back", extra={"taskId": wakeup.task, "rounds": wakeup.rounds})
            if done is None:
                failures.append({"itemIdentifier": record["messageId"]})
    returns.metrics.flush(wiring.clock())
    return {"batchItemFailures": failures}


def unpacked(body: str) -> WakeUp:
    """A message that SQS moved here is the wake-up itself. What Scheduler could not deliver it puts here as the request
    that it would have made: the wake-up is inside. Raises ValueError for anything else."""
    try:
        return WakeUp.parse(body)
    except ValueError:
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            request = None
        inside = request.get("MessageBody") or request.get("Input") if isinstance(request, dict) else None
        if not isinstance(inside, str):
            raise
    return WakeUp.parse(inside)


@cache
def services() -> Returns:
    environment = DeadLetterEnvironment.from_env(os.environ)
    return Returns(
        tasks=wiring.task_store(environment),
        consequences=wiring.consequences(environment),
        dispatcher=wiring.dispatcher(environment),
        metrics=Metrics(environment.name),
        writer_ms=wiring.writer_ms(environment),
    )
