"""Functions as Lambda runs them: environment, warm processes, and what goes wrong in them."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.build.locations import BUILD
from local.system import FunctionFailed, LocalSystem
from tests.e2e.callers import bearer

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tiny")]


def ask(tiny: LocalSystem, **body: Any) -> httpx.Response:
    return httpx.post(f"{tiny.url}/ask", json=body, headers=bearer(tiny), timeout=30)


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
    assert answer["modules"] is False
    assert answer["path"][0] == env["LAMBDA_TASK_ROOT"] == answer["cwd"]


def test_a_function_searches_its_code_its_layer_and_the_standard_library(tiny: LocalSystem) -> None:
    code, layer, *rest = ask(tiny).json()["path"]
    assert code == str(tiny.functions[tiny.stack.function_of("Tiny-api").arn].spec.root)
    assert Path(layer).parent == BUILD / "local-layer"
    library = Path(sysconfig.get_path("stdlib"))
    assert {Path(path) for path in rest} <= {
        library,
        Path(sysconfig.get_path("platstdlib")),
        library / "lib-dynload",
        library.with_name(f"python{sys.version_info.major}{sys.version_info.minor}.zip"),
    }


@pytest.mark.parametrize("module", ["boto3", "pydantic", "aws_lambda_powertools", "tzdata"])
def test_a_package_of_the_layer_is_imported_from_it(tiny: LocalSystem, module: str) -> None:
    assert Path(ask(tiny, do="import", module=module).json()["file"]).is_relative_to(BUILD / "local-layer")


# Packages of the developer's environment, what the runtime client imports for itself, and this repository's own.
ELSEWHERE = ["yaml", "httpx", "rich", "moto", "pytest", "uv", "simplejson"]
ELSEWHERE += [
    "taskyard",
    "infra",
    "local",
    "local.functions.fork_server_program",
    "tests",
    "functions",
    "client",
    "app",
]


@pytest.mark.parametrize("module", ELSEWHERE)
def test_what_the_layer_does_not_hold_is_not_importable(tiny: LocalSystem, module: str) -> None:
    assert importlib.util.find_spec(module), "it is there for whoever runs this test"
    missing = module.partition(".")[0]
    assert ask(tiny, do="import", module=module).json() == {
        "error": "ModuleNotFoundError",
        "message": f"No module named '{missing}'",
    }


def test_a_handler_that_imports_what_is_not_declared_fails_as_on_lambda(tiny: LocalSystem) -> None:
    with pytest.raises(FunctionFailed) as failure:
        tiny.invoke("undeclared", {})
    error = failure.value.error
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'tiny.undeclared': No module named 'yaml'"


def test_a_service_that_the_layer_does_not_describe_is_unknown(tiny: LocalSystem) -> None:
    answer = ask(tiny, do="aws", service="ec2", call="describe_instances", **{"with": {}}).json()
    assert answer["error"] == "UnknownServiceError"
    assert "'ec2'" in answer["message"]


def test_a_function_has_the_layers_that_the_template_gives_it(tiny: LocalSystem) -> None:
    found = tiny.invoke("planted", {"module": "planted"})
    assert found["file"].endswith("planted/python/planted.py")
    assert tiny.invoke("planted", {"module": "boto3"})["error"] == "ModuleNotFoundError"
    assert ask(tiny, do="import", module="planted").json()["error"] == "ModuleNotFoundError"


def test_a_function_of_a_pool_has_the_packages_of_its_own_lock_and_no_others(tiny: LocalSystem) -> None:
    for module in ("iniconfig", "boto3"):
        assert Path(tiny.invoke("pooled", {"module": module})["file"]).is_relative_to(BUILD / "local-layer")
    undeclared = {"error": "ModuleNotFoundError", "message": "No module named 'yaml'"}
    assert tiny.invoke("pooled", {"module": "yaml"}) == undeclared
    assert ask(tiny, do="import", module="iniconfig").json()["error"] == "ModuleNotFoundError"


def test_what_the_runtime_offers_beside_the_layer_is_there(tiny: LocalSystem) -> None:
    assert "file" in ask(tiny, do="import", module="snapshot_restore_py").json()
    answer = ask(tiny).json()
    assert {"exit", "help"} <= set(answer["builtins"])
    assert not Path(answer["executable"]).is_relative_to(sys.prefix)


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
