"""The `taskyard` command: exit codes, text for people, JSON for scripts."""

import io
import json
import sys
from pathlib import Path

import httpx
import pytest
from taskyard import Backoff, Taskyard
from taskyard.cli import main

from tests.unit.client_fake import URL, FakeApi, Sleeper, task_document


class Shell:
    def __init__(self, api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
        self.api, self._capsys, self.sleeper = api, capsys, Sleeper()

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        code = main(argv, self._connect)
        out, err = self._capsys.readouterr()
        return code, out, err

    def _connect(self, url: str | None, auth: str | None) -> Taskyard:
        transport = httpx.MockTransport(self.api)
        return Taskyard(url or URL, auth or "none", transport=transport, sleep=self.sleeper, backoff=Backoff(tries=2))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(FakeApi(), capsys)


def test_submit_sends_its_options_and_prints_the_task(shell: Shell) -> None:
    code, out, _ = shell(
        "submit", "EMAIL", "--payload", '{"to": "a"}', "--delay", "1m30s", "--priority", "7", "--max-retries", "2",
        "--retry", "fixed,base=2,jitter=0", "--timeout", "30", "--key", "k", "--tag", "a=b", "--tag", "c=d=e",
    )  # fmt: skip
    assert code == 0
    assert "t1  READY  EMAIL" in out
    request = shell.api.requests[0]
    assert request.headers["idempotency-key"] == "k"
    assert json.loads(request.content) == {
        "type": "EMAIL", "payload": {"to": "a"}, "delaySeconds": 90, "priority": 7, "maxRetries": 2,
        "retry": {"strategy": "fixed", "baseSeconds": 2, "jitter": 0.0}, "timeoutSeconds": 30,
        "tags": {"a": "b", "c": "d=e"},
    }  # fmt: skip


def test_json_is_the_apis_own_document_wherever_the_flag_stands(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document(newField={"ü": 1})
    for argv in (("--json", "get", "t1"), ("get", "t1", "--json")):
        code, out, _ = shell(*argv)
        assert code == 0
        assert json.loads(out) == shell.api.tasks["t1"]
    assert json.loads(shell("list", "--json")[1]) == [shell.api.tasks["t1"]]
    assert json.loads(shell("stats", "--json")[1])["oldestSeconds"] == 2.5


def test_a_payload_comes_from_a_file_or_stdin_and_a_body_goes_as_it_is(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"from": "file"}')
    assert shell("submit", "EMAIL", "--payload", f"@{file}")[0] == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"from": "stdin"}')))
    assert shell("submit", "EMAIL", "--payload", "-")[0] == 0
    assert [task["payload"] for task in shell.api.tasks.values()] == [{"from": "file"}, {"from": "stdin"}]
    file.write_bytes(b'{ "task_name": "X" }\n')
    assert shell("submit", "--body", str(file))[0] == 0
    assert shell.api.requests[-1].content == b'{ "task_name": "X" }\n'


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nonsense",),
        ("submit",),
        ("submit", "EMAIL", "--body", "x"),
        ("submit", "--body", "x", "--delay", "5"),
        ("submit", "--body", "no-such-file"),
        ("submit", "EMAIL", "--payload", "{"),
        ("submit", "EMAIL", "--payload", "@no-such-file"),
        ("submit", "EMAIL", "--delay", "5", "--run-at", "2026-02-01T10:00:00Z"),
        ("submit", "EMAIL", "--run-at", "2026-02-01T10:00:00"),
        ("submit", "EMAIL", "--priority", "urgent"),
        ("submit", "EMAIL", "--retry", "sometimes"),
        ("submit", "EMAIL", "--tag", "novalue"),
        ("reschedule", "t1"),
        ("list", "--limit", "0"),
    ],
)
def test_a_wrong_command_line_is_2_and_asks_nobody(shell: Shell, argv: tuple[str, ...]) -> None:
    code, out, err = shell(*argv)
    assert (code, out) == (2, "")
    assert err
    assert shell.api.requests == []


def test_not_found_is_3(shell: Shell) -> None:
    assert shell("get", "none")[0] == 3
    assert shell("watch", "none")[0] == 3


def test_a_refusal_is_4_and_names_the_field(shell: Shell) -> None:
    code, _, err = shell("submit", "NO_SUCH_TYPE")
    assert code == 4
    assert "type: known types: DELAYED_MESSAGE" in err
    code, _, err = shell("submit", "NO_SUCH_TYPE", "--json")
    assert code == 4
    assert json.loads(err)["errors"][0]["field"] == "type"


def test_an_unreachable_local_system_is_5_with_advice(shell: Shell) -> None:
    shell.api.answers = [httpx.ConnectError("refused"), httpx.ConnectError("refused")]
    code, _, err = shell("stats")
    assert code == 5
    assert "is `make local` running?" in err


def test_no_local_system_at_all_is_5_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TASKYARD_URL", raising=False)
    assert main(["stats"]) == 5
    assert "is `make local` running?" in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403])
def test_not_allowed_is_6_with_advice(shell: Shell, status: int) -> None:
    shell.api.answers = [httpx.Response(status, json={"message": "Forbidden"})]
    code, _, err = shell("stats")
    assert code == 6
    assert "--auth iam" in err


def test_cancel_goes_through_all_ids_and_its_code_is_that_of_the_first_refusal(shell: Shell) -> None:
    shell.api.tasks |= {"t1": task_document("t1", "RUNNING"), "t2": task_document("t2")}
    code, out, err = shell("cancel", "t1", "t2", "none")
    assert code == 4
    assert "t2  CANCELLED" in out
    assert "RUNNING" in err
    code, out, _ = shell("cancel", "t2", "none", "--json")
    assert code == 3
    assert [entry["cancelled"] for entry in json.loads(out)] == [True, False]


def test_reschedule(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document()
    assert shell("reschedule", "t1", "--run-at", "2030-01-01T01:00:00+01:00")[0] == 0
    assert shell.api.tasks["t1"]["runAt"] == "2030-01-01T00:00:00.000Z"
    assert shell("reschedule", "t1", "--delay", "1h")[0] == 0


@pytest.mark.parametrize(("state", "code"), [("SUCCESS", 0), ("DEAD", 1), ("FAILED", 1), ("CANCELLED", 1)])
def test_waiting_for_a_task_says_how_it_ended(shell: Shell, state: str, code: int) -> None:
    shell.api.tasks["t1"] = task_document(state=state)
    shell.api.by_key["k"] = "t1"
    assert shell("submit", "EMAIL", "--key", "k", "--wait")[0] == code
    assert shell("watch", "t1")[0] == code


def test_watch_prints_changes_as_lines_where_there_is_no_terminal(shell: Shell) -> None:
    shell.api.tasks |= {"t1": task_document("t1", "SUCCESS"), "t2": task_document("t2", "SUCCESS")}
    running = task_document("t1", "RUNNING", attempt=1)
    shell.api.answers = [httpx.Response(200, json=running)]
    code, out, _ = shell("watch", "t1", "t2", "--json", "--interval", "10ms")
    assert code == 0
    assert [(task["id"], task["state"]) for task in map(json.loads, out.splitlines())] == [
        ("t1", "RUNNING"),
        ("t2", "SUCCESS"),
        ("t1", "SUCCESS"),
    ]


def test_ctrl_c_is_130(shell: Shell) -> None:
    shell.api.answers = [KeyboardInterrupt()]
    assert shell("stats")[0] == 130


def test_text_of_a_task_can_not_move_the_terminals_cursor(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document(type="[red]x\x1b[2J", state="FAILED", reason="a\nb")
    for argv in (("list",), ("get", "t1"), ("watch", "t1")):
        out = shell(*argv)[1]
        assert "\x1b" not in out
        assert "[red]x" in out


def test_help_says_what_the_exit_codes_mean(shell: Shell) -> None:
    code, out, _ = shell("--help")
    assert code == 0
    for number in (0, 1, 2, 3, 4, 5, 6, 130):
        assert f"  {number:>3}  " in out
