"""The `taskyard` command as a process, against the real system."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.callers import token

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("taskyard")]


@pytest.fixture
def taskyard(system: Any) -> Any:
    def run(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taskyard", "--url", system.url, "--auth", token(system), *argv]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=90)

    return run


def test_command_submits_shows_lists_and_watches_a_task(taskyard: Any) -> None:
    done = taskyard("submit", "DELAYED_MESSAGE", "--payload", '{"message": "hi"}', "--wait", "--json")
    assert done.returncode == 0, done.stderr
    task = json.loads(done.stdout)
    assert task["state"] == "SUCCESS"
    assert task["id"] in taskyard("get", task["id"]).stdout
    assert task["id"] in {entry["id"] for entry in json.loads(taskyard("list", "--json").stdout)}
    assert taskyard("watch", task["id"]).returncode == 0
    assert json.loads(taskyard("stats", "--json").stdout)["states"]


def test_command_submits_a_body_from_stdin_reschedules_and_cancels_it(taskyard: Any) -> None:
    body = '{"task_name": "DELAYED_MESSAGE", "payload": {"message": "hi"}, "delay_seconds": 3600}'
    task_id = json.loads(taskyard("submit", "--body", "-", "--json", stdin=body).stdout)["id"]
    moved = taskyard("reschedule", task_id, "--run-at", "2030-01-01T00:00:00Z", "--json")
    assert json.loads(moved.stdout)["runAt"] == "2030-01-01T00:00:00.000Z"
    assert taskyard("cancel", task_id).returncode == 0
    assert taskyard("reschedule", task_id, "--delay", "1h").returncode == 4


def test_command_exit_code_of_a_failed_task_is_1_and_of_an_unknown_one_3(taskyard: Any) -> None:
    payload = '{"probability": 1.0}'
    failed = taskyard("submit", "FAIL_SOMETIMES", "--payload", payload, "--max-retries", "0", "--wait")
    assert failed.returncode == 1, failed.stderr
    assert "DEAD" in failed.stdout
    assert taskyard("get", "no-such-task").returncode == 3
    assert taskyard("submit", "NO_SUCH_TYPE").returncode == 4
