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
    Delete,
    Disposition,
    Message,
    Pipeline,
    RunAlone,
    ShowAgain,
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

        def work(at: int, alone: bool = False) -> Disposition:
            # By its place in the batch, not by its id: SQS may put one message into a batch twice.
            answer = self._guarded(messages[at], holder=f"{invocation}/{at}", ends_at=ends_at, alone=alone)
            # At once: a neighbour may run for as long as the invocation may.
            return self._handed_back(messages[at], answer)

        answers = self._map(work, len(messages))
        stuck = any(isinstance(answer, Stuck) for answer in answers)
        suspects = [(answer.attempt, at) for at, answer in enumerate(answers) if isinstance(answer, RunAlone)]
        # One at a time, after all others are settled: if this is the task that kills workers, it kills alone. Whoever
        # has lost fewest comes first: a killer is one attempt ahead of those that it once took along, and takes them
        # along no more. Beside a stuck handler it would not be alone, and would die of that one's end.
        for _, at in sorted(suspects):
            answers[at] = self._handed_back(messages[at], ShowAgain(0)) if stuck else work(at, alone=True)
            stuck = stuck or isinstance(answers[at], Stuck)
        if stuck:
            self._end_process(messages, answers)
        return [m.id for m, answer in zip(messages, answers, strict=True) if not isinstance(answer, Delete)]

    def _end_process(self, messages: Sequence[Message], answers: list[Disposition]) -> None:
        """The stuck ones are settled, what is done is deleted here because the event source mapping will not, and
        the process ends, whatever else fails: a handler that is let run on would meet its own retry."""
        try:
            for at, answer in enumerate(answers):
                if isinstance(answer, Stuck):
                    answers[at] = self._settle_stuck(answer)
            done = [m.receipt for m, answer in zip(messages, answers, strict=True) if isinstance(answer, Delete)]
            self.queues.delete_many(self.pipeline.lane, done)
        except Exception:
            logger.warning("not deleted: what is done is delivered again, found settled, deleted then", exc_info=True)
        finally:
            self.pipeline.metrics.flush(self.pipeline.clock())
            logger.error("a handler did not stop at its time-out: ending the process")
            self.exit()

    def _map(self, work: Callable[[int], Disposition], count: int) -> list[Disposition]:
        if self.side_by_side == 1 or count == 1:
            return [work(at) for at in range(count)]
        if not self._threads:
            self._threads.append(ThreadPoolExecutor(self.side_by_side, thread_name_prefix="wake-up"))
        contexts = [contextvars.copy_context() for _ in range(count)]
        futures = [self._threads[0].submit(context.run, work, at) for at, context in enumerate(contexts)]
        return [future.result() for future in futures]

    def _guarded(self, message: Message, *, holder: str, ends_at: int, alone: bool) -> Disposition:
        """One wake-up's trouble is not its neighbours': it stays in the queue and is delivered again."""
        try:
            return self.pipeline.work(message, holder=holder, ends_at=ends_at, alone=alone)
        except StoreUnavailable as error:
            logger.warning("put back: %s", error, extra={"taskId": message.wakeup.task})
        except Exception:
            logger.exception("put back", extra={"taskId": message.wakeup.task})
        return ShowAgain(None)

    def _settle_stuck(self, stuck: Stuck) -> Disposition:
        now = self.pipeline.clock()
        try:
            return self.pipeline.settle(stuck.task, stuck.outcome, log=stuck.log, not_before=now + STUCK_EXIT_MS)
        except Exception:
            # The lease ends with this invocation: the attempt is found lost then.
            logger.exception("stuck attempt not settled", extra={"taskId": stuck.task.id})
            return ShowAgain(None)

    def _handed_back(self, message: Message, answer: Disposition) -> Disposition:
        if isinstance(answer, ShowAgain) and answer.seconds is not None:
            try:
                self.queues.change_visibility(self.pipeline.lane, message.receipt, seconds=answer.seconds)
            except Exception:
                # It is shown again when its visibility ends: later, not lost.
                logger.warning("visibility not changed", extra={"taskId": message.wakeup.task}, exc_info=True)
        return answer
