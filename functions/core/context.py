"""What a handler sees of the system while it runs: `ctx`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from functions.core import signature
from functions.core.http import HttpClient
from functions.core.outcomes import InDoubt, Permanent, Retry
from functions.core.task import LOG_BYTES, LOG_LINE_LIMIT, LOG_LINES, bounded


class LeaseLost(Exception):
    """This attempt's fence was refused: another attempt runs, or the task is settled. Stop; nothing is recorded."""


@dataclass(frozen=True)
class Effect:
    """What is known of a side effect that somebody reserved before us."""

    done: bool
    attempt: int
    result: Any = None


class Record(Protocol):
    """Where the attempt writes while it runs. In production the store; whatever else a test brings."""

    def reserve(self, name: str) -> Effect | None:
        """None: reserved for us. Else what is known of it."""

    def record(self, name: str, result: Any) -> None: ...

    def give_back(self, name: str) -> None: ...

    def progress(self, fraction: float, note: str) -> bool:
        """False when the fence was refused."""

    def say(self, line: str, fields: Mapping[str, Any]) -> None: ...


class Mail(Protocol):
    def send(self, *, to: list[str], subject: str, text: str | None, html: str | None, sender: str | None) -> str:
        """Returns the message id."""


@dataclass(kw_only=True)
class Context:
    """`deadline` in epoch seconds: what is not done by then fails as TimedOut. `inputs`: upstream task id → result.
    `now`: the worker's clock, epoch seconds. `http`: for requests to receivers outside, where they may go."""

    task_id: str
    tenant: str
    type: str
    attempt: int
    max_attempts: int
    deadline: float
    tags: Mapping[str, str]
    inputs: Mapping[str, Any]
    mail: Mail
    http: HttpClient
    secrets: signature.Secrets
    now: Callable[[], float]
    _record: Record
    _log: list[str] = field(default_factory=list)

    def remaining(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(0.0, self.deadline - self.now())

    def log(self, message: str, **fields: Any) -> None:
        """Kept with the attempt (the first and last lines of too many, each bounded) and written to CloudWatch."""
        line = bounded(message if not fields else f"{message} {fields}", LOG_LINE_LIMIT)
        self._log.append(line)
        while len(self._log) > LOG_LINES or sum(len(kept.encode()) for kept in self._log) > LOG_BYTES:
            # How it began and how it ended say more about a failure than the middle.
            del self._log[(len(self._log) - 1) // 2]
        self._record.say(line, fields)

    def progress(self, fraction: float, note: str = "") -> None:
        """0 to 1, shown with the task at once: one write each time. Raises LeaseLost when we are a zombie."""
        if not 0.0 <= fraction <= 1.0:
            raise ValueError(f"progress is a fraction from 0 to 1, not {fraction}")
        if not self._record.progress(fraction, note[:200]):
            raise LeaseLost(self.task_id)

    def signed(self, body: bytes, *, secret: str) -> dict[str, str]:
        """Headers that sign `body` after Standard Webhooks, by the secret of that name of the task's own tenant. Their
        id is the task's: a receiver knows every attempt by it. Raises when there is no such secret."""
        keys = self.secrets.keys(self.tenant, secret)
        return signature.headers(keys, id=self.task_id, at=int(self.now()), body=body)

    def once(self, name: str, effect: Callable[[], Any]) -> Any:
        """Runs `effect` at most once for this task, over all its attempts, and returns its JSON-able result.

        It is reserved before and recorded after. Recorded already: that result is returned, nothing is run.
        Reserved by an attempt that never said how it went (it died, or `effect` raised): InDoubt is raised and the
        effect is not repeated. When `effect` raises Retry or Permanent it says that nothing happened: a later attempt
        (after Permanent: of a redrive) may try it again.
        """
        found = self._record.reserve(name)
        if found is not None:
            return self._known(name, found)
        try:
            result = effect()
        except (Retry, Permanent):
            self._record.give_back(name)
            raise
        self._record.record(name, result)
        return result

    async def once_async(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        """`once` for coroutines."""
        # Not at import: half a hundredth of a second, for handlers that are coroutines.
        import asyncio

        found = await asyncio.to_thread(self._record.reserve, name)
        if found is not None:
            return self._known(name, found)
        try:
            result = await effect()
        except (Retry, Permanent):
            await asyncio.to_thread(self._record.give_back, name)
            raise
        await asyncio.to_thread(self._record.record, name, result)
        return result

    @staticmethod
    def _known(name: str, effect: Effect) -> Any:
        if effect.done:
            return effect.result
        raise InDoubt(name, effect.attempt)
