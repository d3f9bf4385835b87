"""Functions as Lambda runs them: environment, warm processes, and what goes wrong in them."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import httpx
import pytest

from local.system import FunctionFailed, LocalSystem

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


def ask(tiny: LocalSystem, **body: Any) -> httpx.Response:
    return httpx.post(f"{tiny.url}/ask", json=body, timeout=30)


def test_a_function_sees_the_template_s_environment_and_nothing_of_the_developer_s(
    tiny: LocalSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ask(tiny).json()
    env = answer["env"]
    assert env["MAIL_FROM"] == "a@example.com"
    assert env["QUEUE_URL"].endswith("/123456789012/Tiny-Queue")
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == "Tiny-api"
    assert "HOME" not in env
    assert "VIRTUAL_ENV" not in env
    assert not any(str(tiny.directory.parent.parent / name) in answer["path"] for name in ("", "client", "local"))
    assert answer["modules"] is False
    assert answer["path"][0] == env["LAMBDA_TASK_ROOT"] == answer["cwd"]


def test_a_process_stays_warm(tiny: LocalSystem) -> None:
    assert ask(tiny).json()["pid"] == ask(tiny).json()["pid"]


def test_several_invocations_run_at_a_time(tiny: LocalSystem) -> None:
    started = time.monotonic()
    threads = [threading.Thread(target=ask, args=(tiny,), kwargs={"do": "sleep", "seconds": 1}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 3.5  # four seconds in turn; only says that they overlapped


@pytest.mark.parametrize("do", ["raise", "exit"])
def test_a_function_that_fails_is_a_500_and_the_next_request_works(tiny: LocalSystem, do: str) -> None:
    failed = ask(tiny, do=do)
    assert (failed.status_code, failed.json()) == (500, {"message": "Internal Server Error"})
    assert ask(tiny).status_code == 200


def test_a_handler_that_raises_fails_with_its_error(tiny: LocalSystem) -> None:
    with pytest.raises(FunctionFailed) as failure:
        tiny.invoke("api", {"rawPath": "/ask", "body": '{"do": "raise"}'})
    assert failure.value.error["errorType"] == "ValueError"
    assert failure.value.error["errorMessage"] == "asked to"


def test_a_process_that_exits_fails_its_invocation(tiny: LocalSystem) -> None:
    with pytest.raises(FunctionFailed, match="exit status 3"):
        tiny.invoke("api", {"rawPath": "/ask", "body": '{"do": "exit"}'})


def test_a_handler_that_hangs_is_ended_at_its_timeout(tiny: LocalSystem) -> None:
    before = ask(tiny).json()["pid"]
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(ask(tiny, do="hang")))
    thread.start()
    while not tiny.functions[tiny.stack.function_of("Tiny-api").arn].busy:
        time.sleep(0.01)
    tiny.clock.jump(4)
    tiny.run(_run_timers(tiny))
    thread.join(5)
    assert (answers[0].status_code, answers[0].json()) == (503, {"message": "Service Unavailable"})
    assert ask(tiny).json()["pid"] != before or not _alive(before)


async def _run_timers(tiny: LocalSystem) -> None:
    tiny.timers.run()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_module_that_does_not_import_fails_each_invocation_with_its_error(tiny: LocalSystem) -> None:
    for _ in range(2):
        with pytest.raises(FunctionFailed, match="broken at import"):
            tiny.invoke("broken", {})


def test_the_clock_of_functions_is_the_virtual_one(tiny: LocalSystem) -> None:
    tiny.clock.advance(86_400)
    before = tiny.clock.now()
    answer = ask(tiny).json()
    assert before <= answer["time"] <= tiny.clock.now()
    assert 0 < answer["remaining"] <= 3000


def test_lambda_can_be_invoked_through_the_aws_endpoint(tiny: LocalSystem) -> None:
    client = tiny.aws("lambda")
    answer = client.invoke(FunctionName="Tiny-api", Payload=b'{"rawPath": "/ask", "body": "{\\"do\\": \\"raise\\"}"}')
    assert answer["FunctionError"] == "Unhandled"
    assert b"asked to" in answer["Payload"].read()


def test_what_a_function_prints_is_in_its_log(tiny: LocalSystem) -> None:
    ask(tiny, do="raise")
    assert any("asked to" in line for line in tiny.logs("api"))
