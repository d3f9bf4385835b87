"""One attempt of one handler."""

from __future__ import annotations

import importlib.util
import inspect
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from taskyard.tasks.context import Context
from taskyard.tasks.effects import Effect
from taskyard.tasks.errors import Permanent
from taskyard.tasks.failure import is_permanent, leaf_errors, requested_delay
from taskyard.tasks.http import HttpRequest, HttpResponse
from taskyard.tasks.retry import MAX_DELAY_SECONDS
from taskyard.tasks.serialization import NotSerializable, json_text
from taskyard.tasks.task_type import DEFAULT_TIMEOUT_SECONDS, TaskType
from taskyard.testing.recorder import HttpRecorder, MailRecorder, MemoryRecorder, SecretsByName
from taskyard.testing.result import Outcome, TaskResult


def run_task(
    handler: Callable[..., Any],
    payload: Any = None,
    *,
    attempt: int = 1,
    task_id: str = "task-under-test",
    tenant: str = "test",
    tags: Mapping[str, str] | None = None,
    inputs: Mapping[str, Any] | None = None,
    effects: Mapping[str, Any] | None = None,
    http: Callable[[HttpRequest], HttpResponse] | None = None,
    secrets: Mapping[str, str | bytes] | None = None,
    now: Callable[[], float] = time.time,
    fenced: bool = False,
) -> TaskResult:
    """Runs the handler, a plain function or a coroutine, once, in the caller's thread. Its time-out is not enforced.

    `payload`: as a caller submits it. It is validated as at a submit; where pydantic is not installed it goes to the
    handler as it came. `effects`: of earlier attempts: name → Effect, or the result of an effect that is done; an
    Effect that is not done makes `ctx.once` raise InDoubt. `http`: answers the requests that the handler sends.
    `secrets`: name → what `ctx.secret` returns, or the key that `ctx.signed` signs with. `now`: epoch seconds.
    `fenced`: another attempt has taken the task over, so `ctx.progress` raises LeaseLost. Raises TypeError for a
    function without `@task`, and pydantic's ValidationError for a payload that a submit would refuse.
    """
    declaration = declaration_of(handler)
    argument = validated(declaration, payload)
    found = {
        name: effect if isinstance(effect, Effect) else Effect(done=True, attempt=max(1, attempt - 1), result=effect)
        for name, effect in (effects or {}).items()
    }
    recorder = MemoryRecorder(attempt, found, fenced, task_id, secrets or {})
    mail, requests = MailRecorder(), HttpRecorder(http)
    log: list[str] = []
    ctx = Context(
        task_id=task_id,
        tenant=tenant,
        type=declaration.name,
        attempt=attempt,
        max_attempts=declaration.retry.max_attempts,
        deadline=now() + (declaration.timeout_seconds or DEFAULT_TIMEOUT_SECONDS),
        tags=tags or {},
        inputs=inputs or {},
        mail=mail,
        http=requests,
        secrets=SecretsByName(secrets or {}),
        now=now,
        _recorder=recorder,
        _log=log,
    )
    returned, error = call(handler, ctx, argument)
    result = None
    if error is None and returned is not None:
        try:
            result = json.loads(json_text(returned))
        except NotSerializable as raised:
            # For good: to repeat the attempt would do the work again, for the same result.
            error = Permanent(f"the handler's result cannot be stored: {raised}")
    outcome, seconds = outcome_of(declaration, ctx, error)
    return TaskResult(
        outcome=outcome,
        result=result,
        error=error,
        retry_seconds=seconds,
        log=log,
        progress=recorder.reports,
        effects=recorder.effects,
        mails=mail.mails,
        requests=requests.requests,
        submits=recorder.submits,
    )


def call(handler: Callable[..., Any], ctx: Context, argument: Any) -> tuple[Any, BaseException | None]:
    """What the handler returns, or raises."""
    try:
        returned = handler(ctx, argument)
        if inspect.iscoroutine(returned):
            import asyncio

            returned = asyncio.run(returned)
    except (Exception, SystemExit) as error:
        return None, error
    return returned, None


def declaration_of(handler: Callable[..., Any]) -> TaskType:
    declaration = getattr(handler, "__task_type__", None)
    if not isinstance(declaration, TaskType):
        raise TypeError(f"{getattr(handler, '__name__', handler)} is not a handler: put @task('NAME') above it")
    return declaration


def validated(declaration: TaskType, payload: Any) -> Any:
    as_submitted = json.loads(json.dumps(payload))
    return declaration.validate(as_submitted) if importlib.util.find_spec("pydantic") else as_submitted


def outcome_of(declaration: TaskType, ctx: Context, error: BaseException | None) -> tuple[Outcome, float | None]:
    """The outcome, and for RETRY the seconds until the next attempt."""
    if ctx.lease_lost:
        return "LEASE_LOST", None
    if error is None:
        return "SUCCESS", None
    leaves, _ = leaf_errors(error)
    if is_permanent(leaves):
        return "FAILED", None
    if ctx.attempt >= ctx.max_attempts:
        return "DEAD", None
    requested = requested_delay(leaves)
    seconds = declaration.retry.delay(ctx.task_id, ctx.attempt) if requested is None else requested
    return "RETRY", min(max(seconds, 0.0), MAX_DELAY_SECONDS)
