"""`python -m local serve`: the endpoint file, the port, the end of it all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from taskyard import Forbidden, Taskyard

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("serve")]


class Serving:
    """A `serve` of its own, on a free port. `url` is what it printed."""

    def __init__(self, directory: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from local import __main__ as serving;"
            f"serving.ENDPOINT_FILE = Path({str(directory / 'endpoint.json')!r});"
            "sys.exit(serving.serve(int(sys.argv[1]), 'dev'))"
        )
        self.command = [sys.executable, "-c", program]
        self.directory = directory
        self.known: set[int] = set()
        self.process = self.start(0)
        assert self.process.stdout
        self.url = next(line for line in self.process.stdout if "is running" in line).split()[-1]

    def start(self, port: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, str(port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def document(self) -> dict[str, Any]:
        """What the endpoint file says."""
        document: dict[str, Any] = json.loads((self.directory / "endpoint.json").read_text())
        return document

    def children(self) -> list[int]:
        """The process ids of the fork server and of all functions."""
        listed = subprocess.run(
            ["ps", "-e", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        lines = [line.split(None, 2) for line in listed.splitlines() if "fork_server_program.py" in line]
        server = next((pid for pid, parent, _ in lines if int(parent) == self.process.pid), None)
        self.known |= {int(pid) for pid, parent, _ in lines if server in (pid, parent)}
        return [int(pid) for pid, _, _ in lines if int(pid) in self.known]


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    started = Serving(tmp_path / ".local")
    yield started
    started.process.kill()
    started.process.communicate()


def gone(serving: Serving) -> bool:
    until = time.monotonic() + 5
    while serving.children() and time.monotonic() < until:
        time.sleep(0.05)
    return not serving.children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_leaves_nothing(serving: Serving, number: signal.Signals) -> None:
    endpoint = serving.directory / "endpoint.json"
    written = json.loads(endpoint.read_text())
    assert (written["url"], written["docs"]) == (serving.url, f"{serving.url}/docs")
    assert endpoint.stat().st_mode & 0o077 == 0, "clients believe no file that others may write"
    assert httpx.get(f"{serving.url}/monitor/health", timeout=30).status_code == 200
    assert len(serving.children()) > 1
    serving.process.send_signal(number)
    _, errors = serving.process.communicate(timeout=10)
    assert (serving.process.returncode, errors) == (0, "")
    assert not endpoint.exists()
    assert gone(serving)


def test_the_endpoint_file_and_the_console_tell_its_owner_the_keys_of_its_aws(serving: Serving) -> None:
    file = serving.directory / "endpoint.json"
    assert file.stat().st_mode & 0o777 == 0o600
    aws = json.loads(file.read_text())["aws"]
    assert serving.process.stdout
    export = next(line for line in serving.process.stdout if "AWS_ENDPOINT_URL" in line) + next(serving.process.stdout)
    environment = dict(pair.split("=", 1) for pair in export.split() if "=" in pair)
    assert environment == {
        "AWS_ENDPOINT_URL": aws["endpoint"],
        "AWS_DEFAULT_REGION": aws["region"],
        "AWS_ACCESS_KEY_ID": aws["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": aws["secretAccessKey"],
    }
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=aws["endpoint"],
        region_name=aws["region"],
        aws_access_key_id=aws["accessKeyId"],
        aws_secret_access_key=aws["secretAccessKey"],
    )
    assert dynamodb.list_tables()["TableNames"]


def test_the_curl_line_of_the_console_submits_a_task_when_it_is_pasted(serving: Serving) -> None:
    assert serving.process.stdout
    line = next(line for line in serving.process.stdout if "curl" in line)
    pasted = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(pasted.stdout)["type"] == "DELAYED_MESSAGE"


def test_the_client_finds_the_token_in_the_endpoint_file(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(serving.directory.parent)
    with Taskyard() as yard:
        assert (yard.url, yard.auth) == (serving.url, "bearer")
        made = yard.submit("DELAYED_MESSAGE", {"message": "hi"})
    aws = serving.document()["aws"]
    session = boto3.Session(aws["accessKeyId"], aws["secretAccessKey"], region_name=aws["region"])
    with Taskyard(serving.document()["iamUrl"], session) as yard:
        assert yard.get(made.id).id == made.id


def test_the_token_command_makes_a_token_of_the_role_and_the_tenant_asked_for(serving: Serving) -> None:
    def token(*arguments: str) -> str:
        command = [sys.executable, "-m", "taskyard", "token", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
        done = subprocess.run(
            command, cwd=serving.directory.parent, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    with Taskyard(serving.url, token("--role", "viewer", "--tenant", "acme", "--ttl", "1h")) as yard:
        assert list(yard.list()) == []
        with pytest.raises(Forbidden, match="submitter"):
            yard.submit("DELAYED_MESSAGE", {"message": "hi"})


def test_functions_do_not_outlive_a_system_that_is_killed(serving: Serving) -> None:
    httpx.get(f"{serving.url}/monitor/health", timeout=30)
    assert len(serving.children()) > 1
    os.kill(serving.process.pid, signal.SIGKILL)
    assert gone(serving)


def test_a_port_that_is_taken_is_said_and_another_is_free(serving: Serving) -> None:
    port = int(serving.url.rpartition(":")[2])
    second = serving.start(port)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert errors == f"port {port} on 127.0.0.1 is taken; choose another one\n"
    assert httpx.get(f"{serving.url}/monitor/health", timeout=30).status_code == 200
