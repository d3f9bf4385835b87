"""A batch of wake-ups: first all in parallel, then one by one those whose worker died, last those that are stuck."""

from __future__ import annotations

import contextvars
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from functions.aws.queues import Queues
from functions.core.errors import StoreUnavailable
from functions.worker.messages import Delete, Disposition, Message, RunAlone, ShowAgain, Stuck
from functions.worker.pipeline import STUCK_EXIT_MS, Pipeline

logger = logging.getLogger("taskyard.worker")


def exit_process() -> None:
    """Lambda reports a failed invocation and starts the process again. Not sys.exit, which waits for the stuck
    thread."""
    os._exit(1)


@dataclass(frozen=True, kw_only=True)
class BatchRunner:
    """`parallelism`: how many wake-ups run at once; 1 runs them in the caller's thread."""

    pipeline: Pipeline
    queues: Queues
    parallelism: int = 10
    exit: Callable[[], None] = exit_process
    _threads: list[ThreadPoolExecutor] = field(default_factory=list)

    def run(self, messages: Sequence[Message], *, invocation: str, ends_at: int) -> list[str]:
        """The ids of the messages that stay in the queue. `invocation`: Lambda's request id. `ends_at`: epoch ms, when
        Lambda cuts the invocation off."""

        def process(position: int, alone: bool = False) -> Disposition:
            # The position in the batch, not the message id, makes the holder unique: SQS may put one message into a
            # batch twice.
            holder = f"{invocation}/{position}"
            disposition = self._process_safely(messages[position], holder=holder, ends_at=ends_at, alone=alone)
            # Returned to the queue at once: another task of the batch may run until the invocation ends.
            self._return_to_queue(messages[position], disposition)
            return disposition

        dispositions = self._map(process, len(messages))
        stuck = any(isinstance(each, Stuck) for each in dispositions)
        suspects = [(each.attempt, at) for at, each in enumerate(dispositions) if isinstance(each, RunAlone)]
        # One at a time, after all others are settled: a task that kills its worker then kills no other task. Lowest
        # attempt first: the task that killed a worker is one attempt ahead of those that died with it. Beside a stuck
        # handler no task is alone, and the end of the process would end it.
        for _, position in sorted(suspects):
            if stuck:
                dispositions[position] = ShowAgain(0)
                self._return_to_queue(messages[position], dispositions[position])
            else:
                dispositions[position] = process(position, alone=True)
                stuck = isinstance(dispositions[position], Stuck)
        if stuck:
            self._end_process(messages, dispositions)
        return [
            message.id for message, each in zip(messages, dispositions, strict=True) if not isinstance(each, Delete)
        ]

    def _end_process(self, messages: Sequence[Message], dispositions: list[Disposition]) -> None:
        """Settles the stuck attempts, deletes the messages that are done (the event source mapping does not, because
        the invocation fails), and ends the process, whatever else fails: a handler that runs on would run beside its
        own retry."""
        try:
            for position, disposition in enumerate(dispositions):
                if isinstance(disposition, Stuck):
                    dispositions[position] = self._settle_stuck(disposition)
            done = [
                message.receipt
                for message, disposition in zip(messages, dispositions, strict=True)
                if isinstance(disposition, Delete)
            ]
            self.queues.delete_many(self.pipeline.lane, done)
        except Exception:
            logger.warning("messages not deleted: delivered again, they find their tasks settled", exc_info=True)
        finally:
            self.pipeline.metrics.flush(self.pipeline.clock())
            logger.error("a handler did not stop at its time-out: ending the process")
            self.exit()

    def _map(self, process: Callable[[int], Disposition], count: int) -> list[Disposition]:
        if self.parallelism == 1 or count == 1:
            return [process(position) for position in range(count)]
        if not self._threads:
            self._threads.append(ThreadPoolExecutor(self.parallelism, thread_name_prefix="wake-up"))
        contexts = [contextvars.copy_context() for _ in range(count)]
        futures = [self._threads[0].submit(context.run, process, at) for at, context in enumerate(contexts)]
        return [future.result() for future in futures]

    def _process_safely(self, message: Message, *, holder: str, ends_at: int, alone: bool) -> Disposition:
        """An error of one wake-up leaves its message in the queue, and does not touch the others."""
        try:
            return self.pipeline.process(message, holder=holder, ends_at=ends_at, alone=alone)
        except StoreUnavailable as error:
            logger.warning("message stays in the queue: %s", error, extra={"taskId": message.wakeup.task})
        except Exception:
            logger.exception("message stays in the queue", extra={"taskId": message.wakeup.task})
        return ShowAgain(None)

    def _settle_stuck(self, stuck: Stuck) -> Disposition:
        now = self.pipeline.clock()
        try:
            return self.pipeline.settle(stuck.task, stuck.outcome, log=stuck.log, not_before=now + STUCK_EXIT_MS)
        except Exception:
            # The lease ends with this invocation. The next wake-up then records the attempt as lost.
            logger.exception("stuck attempt not settled", extra={"taskId": stuck.task.id})
            return ShowAgain(None)

    def _return_to_queue(self, message: Message, disposition: Disposition) -> None:
        if not isinstance(disposition, ShowAgain) or disposition.seconds is None:
            return
        try:
            self.queues.change_visibility(self.pipeline.lane, message.receipt, seconds=disposition.seconds)
        except Exception:
            # The message becomes visible when its visibility ends: later, but it is not lost.
            logger.warning("visibility not changed", extra={"taskId": message.wakeup.task}, exc_info=True)
