"""What a handler sees of the system while it runs: `ctx`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from taskyard.tasks import signature
from taskyard.tasks.effects import Effect, check_effect_name
from taskyard.tasks.errors import InDoubt, LeaseLost, Permanent, ResultNotStored, Retry
from taskyard.tasks.http import HttpClient
from taskyard.tasks.log import append_line, log_field, log_line
from taskyard.tasks.mail import Mail
from taskyard.tasks.serialization import NotSerializable, json_text
from taskyard.tasks.submits import Submit, SubmitOptions, check_submits
from taskyard.tasks.text import error_text, repr_of, text_of

if TYPE_CHECKING:
    from typing import Unpack

NOTE_LIMIT = 200
"""Characters of the note of a progress."""


class AttemptRecorder(Protocol):
    """Where the attempt writes while it runs. In production the store; in taskyard.testing the memory."""

    def reserve(self, name: str) -> Effect | None:
        """None: the effect is reserved for this attempt. Else what is known of it."""

    def record(self, name: str, result: str | None, problem: str | None) -> Effect:
        """The effect is done. `result`: JSON text, or None with the `problem` that it has. Returns what a later
        attempt will find."""

    def release(self, name: str) -> None:
        """The effect did not happen: another attempt may reserve it."""

    def progress(self, fraction: float, note: str) -> bool:
        """False when the fence was refused."""

    def log(self, line: str, fields: Mapping[str, Any]) -> None: ...

    def submit(self, submits: Sequence[Submit]) -> list[str]:
        """The ids of the tasks, new or there already. Raises NotSubmitted."""

    def secret(self, name: str) -> str:
        """Raises when there is none."""


@dataclass(kw_only=True)
class Context:
    """`deadline` in epoch seconds: an attempt that still runs then fails as TimedOut. `inputs`: upstream task id →
    result; in a workflow, node name → result. `now`: the worker's clock, epoch seconds. `http`: for requests to
    receivers outside that the deployment may call."""

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
    _recorder: AttemptRecorder
    _log: list[str] = field(default_factory=list)
    lease_lost: bool = field(default=False, init=False)
    """The fence of this attempt was refused. Nothing that it does from then on is recorded, however it ends."""

    def remaining(self) -> float:
        """Seconds until the deadline, 0 when it has passed."""
        return max(0.0, self.deadline - self.now())

    def log(self, message: object, /, **fields: Any) -> None:
        """Adds a line to the attempt's log and writes it to CloudWatch. Of too many lines the first and the last are
        stored (taskyard/tasks/log.py has the limits). Takes anything, and raises nothing."""
        line = log_line(error_text(message) if isinstance(message, BaseException) else text_of(message), fields)
        append_line(self._log, line)
        self._recorder.log(line, {name: log_field(value) for name, value in fields.items()})

    def progress(self, fraction: float, note: object = "") -> None:
        """0 to 1, shown with the task at once: one write each time. Raises LeaseLost when we are a zombie, ValueError
        for what is no such fraction."""
        try:
            value = float(fraction)
        except Exception:
            raise ValueError(f"progress is a fraction from 0 to 1, not {repr_of(fraction)}") from None
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"progress is a fraction from 0 to 1, not {value}")
        if not self._recorder.progress(value, text_of(note)[:NOTE_LIMIT]):
            self.lease_lost = True
            raise LeaseLost(self.task_id)

    def signed(self, body: bytes, *, secret: str) -> dict[str, str]:
        """Headers that sign `body` after Standard Webhooks, with the secret of that name of the task's tenant. Their id
        is the task's, so a receiver recognises every attempt by it. Raises when there is no such secret."""
        keys = self.secrets.keys(self.tenant, secret)
        return signature.signature_headers(keys, id=self.task_id, at=int(self.now()), body=body)

    def submit(self, name: str, type: str, payload: Any = None, **options: Unpack[SubmitOptions]) -> str:
        """Submits a task of the same tenant and returns its id. `name`: unique among the submits of this task. Every
        attempt that submits under the name gets the same task, whatever it asks for: so it does not matter whether an
        attempt died after its submit. Options: run_at or delay_seconds, priority, max_retries, timeout_seconds, retry,
        tags, dependencies, notify. Raises NotSubmitted for what a submit would refuse."""
        return self.submit_many([Submit.of(name, type, payload, **options)])[0]

    def submit_many(self, submits: Sequence[Submit]) -> list[str]:
        """`submit` for up to 1,000: `[Submit.of("page-1", "RENDER", {"page": 1}), …]`. All are checked before the first
        one is submitted. Returns the ids in their order."""
        check_submits(submits)
        return self._recorder.submit(submits) if submits else []

    async def submit_async(self, name: str, type: str, payload: Any = None, **options: Unpack[SubmitOptions]) -> str:
        """`submit` for coroutines."""
        return (await self.submit_many_async([Submit.of(name, type, payload, **options)]))[0]

    async def submit_many_async(self, submits: Sequence[Submit]) -> list[str]:
        """`submit_many` for coroutines."""
        import asyncio

        return await asyncio.to_thread(self.submit_many, submits)

    def secret(self, name: str) -> str:
        """The secret of that name of the task's tenant, else of the deployment. A changed secret is in use after five
        minutes. Its value is removed from the log and from errors of this attempt. Raises when there is none."""
        if not re.fullmatch(signature.SECRET_NAME, name):
            raise ValueError(f"a secret's name has up to 64 letters, digits, dots, dashes, underscores, not {name!r}")
        return self._recorder.secret(name)

    async def secret_async(self, name: str) -> str:
        """`secret` for coroutines."""
        import asyncio

        return await asyncio.to_thread(self.secret, name)

    def once(self, name: str, effect: Callable[[], Any]) -> Any:
        """Runs `effect` at most once for this task, over all its attempts, and returns its result as JSON has it: what
        the first attempt gets is what every later one gets. The result is stored like a handler's; 5 MB at most.

        The effect is reserved before it runs and recorded after. If it is recorded already, its result is returned and
        nothing runs. If an attempt reserved it and recorded no end (it died, or `effect` raised), InDoubt is raised and
        the effect is not repeated. If its result cannot be stored, ResultNotStored is raised. If `effect` raises Retry
        or Permanent, nothing happened: a later attempt (after Permanent: of a redrive) may run it. Raises ValueError
        for a `name` that is no text of 1 to 500 bytes in UTF-8.
        """
        check_effect_name(name)
        earlier = self._recorder.reserve(name)
        if earlier is not None:
            return self._result_of(name, earlier)
        try:
            result = effect()
        except (Retry, Permanent):
            self._recorder.release(name)
            raise
        if isinstance(result, Coroutine):
            result.close()
            self._recorder.release(name)
            raise TypeError(f"effect {name!r} is a coroutine and was not run: await ctx.once_async(…)")
        return self._result_of(name, self._record_result(name, result))

    async def once_async(self, name: str, effect: Callable[[], Awaitable[Any]]) -> Any:
        """`once` for coroutines."""
        # Not at import: asyncio takes 5 ms to import, and only coroutines need it.
        import asyncio

        check_effect_name(name)
        earlier = await asyncio.to_thread(self._recorder.reserve, name)
        if earlier is not None:
            return self._result_of(name, earlier)
        try:
            result = await effect()
        except (Retry, Permanent):
            await asyncio.to_thread(self._recorder.release, name)
            raise
        return self._result_of(name, await asyncio.to_thread(self._record_result, name, result))

    def _record_result(self, name: str, result: Any) -> Effect:
        try:
            text = json_text(result)
        except NotSerializable as error:
            return self._recorder.record(name, None, str(error))
        return self._recorder.record(name, text, None)

    @staticmethod
    def _result_of(name: str, effect: Effect) -> Any:
        if effect.problem is not None:
            raise ResultNotStored(name, effect.problem)
        if effect.done:
            return effect.result
        raise InDoubt(name, effect.attempt)
