"""A batch of wake-ups: side by side, those whose worker died one by one, the stuck ones last."""

from __future__ import annotations

import contextvars
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from functions.aws.queues import Queues
from functions.core.errors import StoreUnavailable
from functions.worker.pipeline import (
    STUCK_EXIT_MS,
    Alone,
    Answer,
    Delete,
    Keep,
    Message,
    Pipeline,
    Stuck,
)

logger = logging.getLogger("taskyard.worker")


def exit_process() -> None:
    """The runtime reports a failed invocation and starts anew. Not sys.exit: that would wait for the stuck thread."""
    os._exit(1)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """`side_by_side`: how many wake-ups run at once; 1 runs them in the caller's thread."""

    pipeline: Pipeline
    queues: Queues
    side_by_side: int = 10
    exit: Callable[[], None] = exit_process
    _threads: list[ThreadPoolExecutor] = field(default_factory=list)

    def run(self, messages: Sequence[Message], *, invocation: str, ends_at: int) -> list[str]:
        """The ids of the messages that are to stay in the queue. `invocation`: Lambda's request id."""
        holders = {message.id: f"{invocation}/{at}" for at, message in enumerate(messages)}

        def work(message: Message, alone: bool = False) -> Answer:
            return self._guarded(message, holder=holders[message.id], ends_at=ends_at, alone=alone)

        answers = dict(zip((m.id for m in messages), self._map(work, messages), strict=True))
        for message in messages:
            # One at a time, after all others are settled: if this is the task that kills workers, it kills alone.
            if isinstance(answers[message.id], Alone):
                answers[message.id] = work(message, alone=True)
        stuck = [(message, found) for message in messages if isinstance(found := answers[message.id], Stuck)]
        for message, found in stuck:
            answers[message.id] = self._settle_stuck(found)
        kept = [message for message in messages if not isinstance(answers[message.id], Delete)]
        for message in kept:
            self._show_again(message, answers[message.id])
        if stuck:
            self.queues.delete(self.pipeline.lane, [m.receipt for m in messages if m not in kept])
            self.pipeline.metrics.flush(self.pipeline.clock())
            logger.error("a handler did not stop at its time-out: ending the process", extra={"stuck": len(stuck)})
            self.exit()
        return [message.id for message in kept]

    def _map(self, work: Callable[[Message], Answer], messages: Sequence[Message]) -> list[Answer]:
        if self.side_by_side == 1 or len(messages) == 1:
            return [work(message) for message in messages]
        if not self._threads:
            self._threads.append(ThreadPoolExecutor(self.side_by_side, thread_name_prefix="wake-up"))
        contexts = [contextvars.copy_context() for _ in messages]
        futures = [
            self._threads[0].submit(context.run, work, message)
            for context, message in zip(contexts, messages, strict=True)
        ]
        return [future.result() for future in futures]

    def _guarded(self, message: Message, *, holder: str, ends_at: int, alone: bool) -> Answer:
        """One wake-up's trouble is not its neighbours': it stays in the queue and is delivered again."""
        try:
            return self.pipeline.work(message, holder=holder, ends_at=ends_at, alone=alone)
        except StoreUnavailable as error:
            logger.warning("put back: %s", error, extra={"taskId": message.wakeup.task})
        except Exception:
            logger.exception("put back", extra={"taskId": message.wakeup.task})
        return Keep(None)

    def _settle_stuck(self, stuck: Stuck) -> Answer:
        now = self.pipeline.clock()
        try:
            return self.pipeline.settle(stuck.task, stuck.outcome, log=stuck.log, not_before=now + STUCK_EXIT_MS)
        except Exception:
            # The lease ends with this invocation: the attempt is found lost then.
            logger.exception("stuck attempt not settled", extra={"taskId": stuck.task.id})
            return Keep(None)

    def _show_again(self, message: Message, answer: Answer) -> None:
        if isinstance(answer, Keep) and answer.seconds is not None:
            try:
                self.queues.show_again(self.pipeline.lane, message.receipt, seconds=answer.seconds)
            except Exception:
                # It is shown again when its visibility ends: later, not lost.
                logger.warning("visibility not changed", extra={"taskId": message.wakeup.task}, exc_info=True)
