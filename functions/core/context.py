"""What a handler sees of the system while it runs: `ctx`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from functions.core.failure import described, repr_of, text_of
from functions.core.outcomes import InDoubt, Permanent, ResultNotStored, Retry
from functions.core.serialization import NotSerializable, json_text
from functions.core.task import LOG_BYTES, LOG_LINE_LIMIT, LOG_LINES, bounded
from functions.core.webhooks import signature
from functions.core.webhooks.http import HttpClient

NOTE_LIMIT = 200
EFFECT_NAME_BYTES = 500
"""A name is part of a sort key, of which DynamoDB takes 1,024 bytes."""


class LeaseLost(Exception):
    """This attempt's fence was refused: another attempt runs, or the task is settled. Stop; nothing is recorded."""


@dataclass(frozen=True)
class Effect:
    """What is known of a side effect that was reserved before. `problem`: it is done, and this is why its result could
    not be stored."""

    done: bool
    attempt: int
    result: Any = None
    problem: str | None = None


class Record(Protocol):
    """Where the attempt writes while it runs. In production the store; whatever else a test brings."""

    def reserve(self, name: str) -> Effect | None:
        """None: reserved for us. Else what is known of it."""

    def record(self, name: str, result: str | None, problem: str | None) -> Effect:
        """The effect is done. `result`: JSON text, or None with the `problem` that it has. Returns what a later
        attempt will be told."""

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
    lease_lost: bool = field(default=False, init=False)
    """The fence of this attempt was refused. Nothing that it does from then on is recorded, however it ends."""

    def remaining(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(0.0, self.deadline - self.now())

    def log(self, message: object, /, **fields: Any) -> None:
        """Kept with the attempt (the first and last lines of too many, each bounded) and written to CloudWatch.
        Takes anything, and raises nothing."""
        text = described(message) if isinstance(message, BaseException) else text_of(message)
        shown = ", ".join(f"{name!r}: {repr_of(value)}" for name, value in fields.items())
        line = bounded(f"{text} {{{shown}}}" if fields else text, LOG_LINE_LIMIT)
        self._log.append(line)
        while len(self._log) > LOG_LINES or sum(len(kept.encode()) for kept in self._log) > LOG_BYTES:
            # How it began and how it ended say more about a failure than the middle.
            del self._log[(len(self._log) - 1) // 2]
        self._record.say(line, {name: loggable(value) for name, value in fields.items()})

    def progress(self, fraction: float, note: object = "") -> None:
        """0 to 1, shown with the task at once: one write each time. Raises LeaseLost when we are a zombie, ValueError
        for what is no such fraction."""
        try:
            done = float(fraction)
        except Exception:
            raise ValueError(f"progress is a fraction from 0 to 1, not {repr_of(fraction)}") from None
        if not 0.0 <= done <= 1.0:
            raise ValueError(f"progress is a fraction from 0 to 1, not {done}")
        if not self._record.progress(done, text_of(note)[:NOTE_LIMIT]):
            self.lease_lost = True
            raise LeaseLost(self.task_id)

    def signed(self, body: bytes, *, secret: str) -> dict[str, str]:
        """Headers that sign `body` after Standard Webhooks, by the secret of that name of the task's own tenant. Their
        id is the task's: a receiver knows every attempt by it. Raises when there is no such secret."""
        keys = self.secrets.keys(self.tenant, secret)
        return signature.headers(keys, id=self.task_id, at=int(self.now()), body=body)

    def once(self, name: str, effect: Callable[[], Any]) -> Any:
        """Runs `effect` at most once for this task, over all its attempts, and returns its result, as JSON has it: what
        the first attempt gets is what every later one gets. Written as handlers' results are; 5 MB at most.

        It is reserved before and recorded after. Recorded already: that result is returned, nothing is run.
        Reserved by an attempt that never said how it went (it died, or `effect` raised): InDoubt is raised and the
        effect is not repeated. Done, but with a result that cannot be stored: ResultNotStored is raised.
        When `effect` raises Retry or Permanent it says that nothing happened: a later attempt (after Permanent: of a
        redrive) may try it again. Raises ValueError for a `name` that is no text of 1 to 500 bytes in UTF-8.
        """
        check_effect_name(name)
        found = self._record.reserve(name)
        if found is not None:
            return self._known(name, found)
        try:
            result = effect()
        except (Retry, Permanent):
            self._record.give_back(name)
            raise
        if isinstance(result, Coroutine):
            result.close()
            self._record.give_back(name)
            raise TypeError(f"effect {name!r} is a coroutine and was not run: await ctx.once_async(…)")
        return self._known(name, self._done(name, result))

    async def once_async(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        """`once` for coroutines."""
        # Not at import: half a hundredth of a second, for handlers that are coroutines.
        import asyncio

        check_effect_name(name)
        found = await asyncio.to_thread(self._record.reserve, name)
        if found is not None:
            return self._known(name, found)
        try:
            result = await effect()
        except (Retry, Permanent):
            await asyncio.to_thread(self._record.give_back, name)
            raise
        return self._known(name, await asyncio.to_thread(self._done, name, result))

    def _done(self, name: str, result: Any) -> Effect:
        try:
            written = json_text(result)
        except NotSerializable as error:
            return self._record.record(name, None, str(error))
        return self._record.record(name, written, None)

    @staticmethod
    def _known(name: str, effect: Effect) -> Any:
        if effect.problem is not None:
            raise ResultNotStored(name, effect.problem)
        if effect.done:
            return effect.result
        raise InDoubt(name, effect.attempt)


def check_effect_name(name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name.encode(errors="replace")) <= EFFECT_NAME_BYTES:
        raise ValueError(
            f"the name of an effect is a text of 1 to {EFFECT_NAME_BYTES} bytes, not {repr_of(name)[:100]}"
        )
    if not name.isprintable():
        raise ValueError(f"the name of an effect is printable text, not {repr_of(name)}")


def loggable(value: Any) -> Any:
    """As it is, where every formatter can write it; else its repr."""
    if value is None or type(value) in (bool, float) or (type(value) is int and value.bit_length() < 64):
        return value
    return bounded(text_of(value) if type(value) is str else repr_of(value), LOG_LINE_LIMIT)
