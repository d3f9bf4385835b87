"""What a worker does with a wake-up: the table of docs/architecture.md, as one pure function."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from functions.core.outline import outline
from functions.core.states import CLAIMABLE, REDRIVE_TRANSITIONS, State
from functions.core.task import Task

WRITER_MARGIN_MS = 30_000
"""Added to the longest function time-out. After that, the sender of a wake-up can no longer write its record."""
TENANT_BYTES = 1024
TASK_BYTES = 128
"""AWS: a key has at most 2,048 bytes. One holds the names of the tenant and of the task."""
TYPE_BYTES = 512
"""Above the 128 characters that the name of a type may have."""
COUNT_MAX = 2**53
LOOK_AGAIN_SECONDS = 2
"""The delay when a settlement, or the write that the wake-up announces, is probably about to land."""


@dataclass(frozen=True, kw_only=True)
class WakeUp:
    """A message that names a task to look at. The record holds the state; the message holds none. `type`: of the task,
    which never changes: by it a worker knows before the claim whether the task is of its pool. "" in a wake-up that an
    earlier release sent. `timeout_seconds` lets a worker return a message that it has no time left for. `rounds`: how
    often the dead-letter function sent it again."""

    tenant: str
    task: str
    generation: int
    type: str = ""
    timeout_seconds: int = 0
    rounds: int = 0

    def body(self) -> str:
        fields = {
            "tenant": self.tenant,
            "task": self.task,
            "generation": self.generation,
            "type": self.type,
            "timeout": self.timeout_seconds,
        }
        return json.dumps(fields | ({"rounds": self.rounds} if self.rounds else {}), separators=(",", ":"))

    @classmethod
    def parse(cls, body: str) -> WakeUp:
        """Raises ValueError when `body` is not a wake-up.

        Also for names that the table takes for no key and numbers that it takes for no number: the calls with them
        fail for ever, and the message would go round between lane and dead-letter queue until it expires."""
        try:
            fields = json.loads(body)
            wakeup = cls(
                tenant=_name(fields["tenant"], TENANT_BYTES),
                task=_name(fields["task"], TASK_BYTES),
                generation=_count(fields["generation"]),
                type=_name(fields["type"], TYPE_BYTES) if fields.get("type") else "",
                timeout_seconds=_count(fields.get("timeout", 0)),
                rounds=_count(fields.get("rounds", 0)),
            )
        except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
            raise ValueError(f"not a wake-up: {outline(body)}") from error
        return wakeup


def _name(value: Any, limit: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= limit:
        raise ValueError("no name of a tenant or task")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        raise ValueError("no number of a wake-up")
    return value


class Action(StrEnum):
    RUN_CONSEQUENCES = "consequences again, then delete"
    LOOK_AGAIN = "look again"
    DELETE = "delete"
    SEND_AGAIN = "send on with the time that remains, then delete"
    CLAIM = "claim"
    TAKE_OVER = "claim, the attempt before was lost"
    GIVE_UP = "its worker died and no tries are left"
    CHECK_DEPENDENCIES = "look at the dependencies again, then delete"


@dataclass(frozen=True)
class Decision:
    action: Action
    reason: str
    delay_seconds: int = 0
    """For LOOK_AGAIN: when."""


def writer_has_ended(*, now: int, sent_at: int, writer_ms: int) -> bool:
    """Whether the sender of a wake-up of `sent_at` can no longer write the record that the wake-up announces."""
    return now - sent_at > writer_ms + WRITER_MARGIN_MS


def write_has_landed(task: Task | None, wakeup: WakeUp) -> bool:
    """Whether the write that a wake-up announces is in the record. A settled task needs none, except for a dead letter:
    its redrive also sends the wake-up before it writes."""
    if task is None:
        return False
    return task.generation >= wakeup.generation or (task.settled and task.state not in REDRIVE_TRANSITIONS)


def decide(task: Task | None, wakeup: WakeUp, *, now: int, sent_at: int, receives: int, writer_ms: int) -> Decision:
    """The first row that fits. `now`, `sent_at`: epoch ms; `receives`: how often SQS has handed this message out;
    `writer_ms`: the longest that any writer of records may run."""
    writer_ended = writer_has_ended(now=now, sent_at=sent_at, writer_ms=writer_ms)
    if task is not None and task.settled and (writer_ended or write_has_landed(task, wakeup)):
        return Decision(Action.RUN_CONSEQUENCES, f"settled as {task.state}")
    if task is None or not write_has_landed(task, wakeup):
        if writer_ended:
            return Decision(Action.DELETE, "the write that it announces never landed, its writer is gone")
        # Doubling: it lands within milliseconds or its writer is dead, and receives must last for the wait.
        seconds = min(60, LOOK_AGAIN_SECONDS ** max(1, receives))
        return Decision(Action.LOOK_AGAIN, "the write that it announces has not landed", seconds)
    if task.generation > wakeup.generation:
        return Decision(Action.DELETE, f"superseded by generation {task.generation}")
    if task.state is State.BLOCKED:
        return Decision(Action.CHECK_DEPENDENCIES, "waits for other tasks")
    if task.state in CLAIMABLE:
        if task.available_at > now:
            return Decision(Action.SEND_AGAIN, "not yet due")
        return Decision(Action.CLAIM, "due")
    if task.lease_until > now:
        # First look: its own settle may be about to land. Later looks wait for the lease, or would burn receives.
        soon = LOOK_AGAIN_SECONDS if receives <= 1 else max(1, -(-(task.lease_until - now) // 1000))
        return Decision(Action.LOOK_AGAIN, f"attempt {task.attempt} holds a live lease", soon)
    if task.attempt >= task.retry.max_attempts:
        return Decision(Action.GIVE_UP, f"attempt {task.attempt} was lost, none are left")
    return Decision(Action.TAKE_OVER, f"attempt {task.attempt} was lost")
