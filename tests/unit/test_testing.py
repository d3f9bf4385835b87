"""taskyard.testing: a handler in a test, without AWS. tests/integration/test_testing_as_worker.py holds it against the
worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError
from taskyard.tasks import Context, Effect, HttpRequest, HttpResponse, InDoubt, Permanent, Retry, RetryPolicy, task
from taskyard.testing import run_task

CLIENT = Path(__file__).parents[2] / "client"
POLICY = RetryPolicy(max_attempts=3, strategy="fixed", base_seconds=10, jitter=0)


class Order(BaseModel):
    id: int
    note: Annotated[str, Field(max_length=5)] = ""


@task("CHARGE", retry=POLICY, timeout_seconds=9)
def charge(ctx: Context, payload: Order) -> dict[str, Any]:
    ctx.log(f"order {payload.id}", attempt=ctx.attempt)
    ctx.progress(0.5, "half")
    receipt = ctx.once("charge", lambda: {"receipt": payload.id})
    ctx.mail.send(to=["a@example.com"], subject="Thanks", text="…", html=None, sender=None)
    return {"receipt": receipt["receipt"], "remaining": ctx.remaining()}


def test_run_task_records_result_log_progress_effects_and_mails() -> None:
    result = run_task(charge, {"id": 7}, attempt=2, now=lambda: 100.0)
    assert (result.outcome, result.result, result.error) == ("SUCCESS", {"receipt": 7, "remaining": 9.0}, None)
    assert result.log == ["order 7 {'attempt': 2}"]
    assert result.progress == [(0.5, "half")]
    assert result.effects == {"charge": Effect(done=True, attempt=2, result={"receipt": 7})}
    assert [(mail.to, mail.subject) for mail in result.mails] == [(["a@example.com"], "Thanks")]


@pytest.mark.parametrize("payload", [{"id": "seven"}, {}, {"id": 7, "note": "too long"}])
def test_run_task_payload_that_a_submit_refuses_raises(payload: Any) -> None:
    with pytest.raises(ValidationError):
        run_task(charge, payload)


def test_run_task_effect_of_an_earlier_attempt_is_not_repeated() -> None:
    result = run_task(charge, {"id": 7}, attempt=2, effects={"charge": {"receipt": 1}})
    assert result.result["receipt"] == 1


def test_run_task_effect_without_an_end_is_in_doubt() -> None:
    result = run_task(charge, {"id": 7}, attempt=2, effects={"charge": Effect(done=False, attempt=1)})
    assert (result.outcome, type(result.error)) == ("FAILED", InDoubt)


def test_run_task_effects_of_a_result_continue_in_the_next_attempt() -> None:
    runs: list[int] = []

    @task("A")
    def handler(ctx: Context, payload: Any) -> Any:
        kept = ctx.once("run", lambda: runs.append(1))
        if ctx.attempt == 1:
            raise RuntimeError("after the effect")
        return kept

    first = run_task(handler)
    second = run_task(handler, attempt=2, effects=first.effects)
    assert (first.outcome, second.outcome, runs) == ("RETRY", "SUCCESS", [1])


@pytest.mark.parametrize(
    ("error", "attempt", "outcome", "seconds"),
    [
        (RuntimeError("odd"), 1, "RETRY", 10.0),
        (RuntimeError("odd"), 3, "DEAD", None),
        (Retry(after=60), 1, "RETRY", 60.0),
        (Retry(after=10**9), 1, "RETRY", 7 * 86_400.0),
        (Permanent("no"), 1, "FAILED", None),
        (SystemExit(1), 1, "RETRY", 10.0),
        (ExceptionGroup("two", [Permanent("a"), Retry(after=5)]), 1, "RETRY", 5.0),
        (ExceptionGroup("two", [Permanent("a"), Permanent("b")]), 1, "FAILED", None),
    ],
)
@pytest.mark.parametrize("coroutine", [False, True])
def test_run_task_error_decides_the_outcome(
    error: BaseException, attempt: int, outcome: str, seconds: float | None, coroutine: bool
) -> None:
    def plain(ctx: Context, payload: Any) -> None:
        raise error

    async def awaited(ctx: Context, payload: Any) -> None:
        raise error

    handler = task("A", retry=POLICY)(awaited if coroutine else plain)
    result = run_task(handler, attempt=attempt)
    assert (result.outcome, result.error, result.retry_seconds) == (outcome, error, seconds)


def test_run_task_result_that_cannot_be_stored_fails() -> None:
    @task("A")
    def handler(ctx: Context, payload: Any) -> Any:
        return {"items": [object()]}

    result = run_task(handler)
    assert (result.outcome, result.result) == ("FAILED", None)
    assert "result.items[0]" in str(result.error)


def test_run_task_fenced_handler_loses_its_lease_at_progress() -> None:
    assert run_task(charge, {"id": 7}, fenced=True).outcome == "LEASE_LOST"


def test_run_task_request_is_answered_by_http() -> None:
    @task("A")
    def handler(ctx: Context, payload: Any) -> Any:
        headers = ctx.signed(b"x", secret="partner")
        request = HttpRequest(method="POST", url="https://example.com/", body=b"x", headers=headers)
        return ctx.http.send(request, seconds=5).status

    def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(url=request.url, status=204)

    result = run_task(handler, http=answer, secrets={"partner": b"k" * 24})
    assert (result.result, [request.url for request in result.requests]) == (204, ["https://example.com/"])
    assert "webhook-signature" in result.requests[0].headers
    assert isinstance(run_task(handler, secrets={"partner": b"k" * 24}).error, AssertionError)
    assert isinstance(run_task(handler, http=answer).error, AssertionError)


def test_run_task_function_without_a_declaration_raises() -> None:
    with pytest.raises(TypeError, match=r"put @task\('NAME'\) above it"):
        run_task(lambda ctx, payload: None)


ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
from taskyard.tasks import Context, task
from taskyard.testing import run_task

@task("A")
async def handler(ctx: Context, payload: dict) -> dict:
    ctx.log("hello")
    return {"effect": ctx.once("a", lambda: 1) if not payload else await ctx.once_async("a", effect)}

async def effect():
    return 2

assert [run_task(handler, it).result for it in ({}, {"b": 1})] == [{"effect": 1}, {"effect": 2}]
foreign = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__"}
assert foreign == {"taskyard"}, foreign
mine = {name for name in sys.modules if name.startswith("taskyard.") and name.split(".")[1] not in ("tasks", "testing")}
assert not mine, mine
"""


def test_run_task_without_any_package_runs() -> None:
    command = [sys.executable, "-I", "-S", "-c", ALONE, str(CLIENT)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
