"""The `taskyard` command: exit codes, text for people, JSON for scripts."""

import io
import json
import os
import re
import socket
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from taskyard import Backoff, Taskyard
from taskyard.cli import main

import functions.tasks
from functions.api import openapi
from functions.build.task_types import discover
from functions.runtime import wiring
from tests.unit.client_fake import URL, FakeApi, Sleeper, task_document


class Shell:
    def __init__(self, api: FakeApi, capsys: pytest.CaptureFixture[str]) -> None:
        self.api, self._capsys, self.sleeper = api, capsys, Sleeper()

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        code = main(argv, self._connect)
        out, err = self._capsys.readouterr()
        return code, out, err

    def _connect(self, url: str | None, auth: str | None, tenant: str | None) -> Taskyard:
        transport = httpx.MockTransport(self.api)
        return Taskyard(
            url or URL,
            auth or "none",
            tenant=tenant,
            transport=transport,
            sleep=self.sleeper,
            backoff=Backoff(tries=2),
        )


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


def test_json_flag_in_any_place_prints_the_document_of_the_api(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document(newField={"ü": 1})
    for argv in (("--json", "get", "t1"), ("get", "t1", "--json")):
        code, out, _ = shell(*argv)
        assert code == 0
        assert json.loads(out) == shell.api.tasks["t1"]
    assert json.loads(shell("list", "--json")[1]) == [shell.api.tasks["t1"]]
    assert json.loads(shell("stats", "--json")[1])["oldestSeconds"] == 2.5


def test_submit_reads_payload_from_file_or_stdin_and_sends_a_body_unchanged(
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
        ("nonsense",),
        ("schedule", "nonsense"),
        ("schedule", "update", "s1"),
        ("schedule", "update", "s1", "--name", "x", "--clear", "name"),
        ("submit", "EMAIL", "--key", "a\nb"),
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
def test_wrong_command_line_exits_2_without_a_request(shell: Shell, argv: tuple[str, ...]) -> None:
    code, out, err = shell(*argv)
    assert (code, out) == (2, "")
    assert err
    assert shell.api.requests == []


def test_not_found_exits_3(shell: Shell) -> None:
    assert shell("get", "none")[0] == 3
    assert shell("watch", "none")[0] == 3


def test_refusal_exits_4_and_names_the_field(shell: Shell) -> None:
    code, _, err = shell("submit", "NO_SUCH_TYPE")
    assert code == 4
    assert "type: known types: DELAYED_MESSAGE" in err
    code, _, err = shell("submit", "NO_SUCH_TYPE", "--json")
    assert code == 4
    assert json.loads(err)["errors"][0]["field"] == "type"


def test_unreachable_local_system_exits_5_with_a_hint(shell: Shell) -> None:
    shell.api.answers = [no_answer(ConnectionRefusedError("refused"))] * 2
    code, _, err = shell("stats")
    assert code == 5
    assert "is `make local` running?" in err


def no_answer(cause: OSError) -> httpx.ConnectError:
    error = httpx.ConnectError(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("url", "answer", "hint"),
    [
        ("https://x.example", no_answer(ConnectionRefusedError("no")), "nothing listens at that address"),
        ("https://x.example", no_answer(socket.gaierror("no")), "is the host in the URL correct"),
        ("http://localhost:1", no_answer(socket.gaierror("no")), "is the host in the URL correct"),
        ("https://x.example", no_answer(ssl.SSLError("no")), "https:// address"),
        ("https://x.example", httpx.ProxyError("no"), "HTTPS_PROXY"),
        ("https://x.example", httpx.ConnectTimeout("no"), "firewall"),
        ("http://127.0.0.1:1", httpx.RemoteProtocolError("no"), "the answer is not HTTP"),
        ("https://x.example", httpx.Response(403, json={"message": "Forbidden"}), "--auth iam"),
        ("https://x.example", httpx.Response(404, json={"message": "Not Found"}), "its stage"),
        ("https://x.example", httpx.Response(200, text="<html>"), "its stage"),
    ],
)
def test_hint_of_an_error_fits_its_cause(
    shell: Shell, url: str, answer: httpx.Response | httpx.TransportError, hint: str
) -> None:
    shell.api.answers = [answer, answer]
    err = shell("--url", url, "stats")[2]
    assert hint in err
    assert "make local" not in err
    assert err.count("\n") == 2


@pytest.mark.parametrize(("auth", "hint"), [("iam", "execute-api:Invoke"), ("a-token", "token may have expired")])
def test_hint_of_a_forbidden_request_fits_its_authentication(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, auth: str, hint: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "eu-central-1")
    shell.api.answers = [httpx.Response(403, json={"message": "Forbidden"})]
    assert hint in shell("--url", "https://x.example", "--auth", auth, "stats")[2]


@pytest.mark.parametrize("url", ["ftp://x", "x.example", "http://x.example:99999"])
def test_invalid_url_gets_no_hint_about_the_local_system(capsys: pytest.CaptureFixture[str], url: str) -> None:
    assert main(["--url", url, "stats"]) == 5
    err = capsys.readouterr().err
    assert url in err
    assert "make local" not in err


def test_missing_local_system_exits_5_with_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TASKYARD_URL", raising=False)
    assert main(["stats"]) == 5
    assert "is `make local` running?" in capsys.readouterr().err


@pytest.mark.parametrize("status", [401, 403])
def test_forbidden_request_exits_6_with_a_hint(shell: Shell, status: int) -> None:
    shell.api.answers = [httpx.Response(status, json={"message": "Forbidden"})]
    code, _, err = shell("stats")
    assert code == 6
    assert "--auth iam" in err


def test_cancel_handles_all_ids_and_exits_with_the_first_refusal(shell: Shell) -> None:
    shell.api.tasks |= {"t1": task_document("t1", "RUNNING"), "t2": task_document("t2")}
    code, out, err = shell("cancel", "t1", "t2", "none")
    assert code == 4
    assert "t2  CANCELLED" in out
    assert "RUNNING" in err
    code, out, _ = shell("cancel", "t2", "none", "--json")
    assert code == 3
    assert [entry["cancelled"] for entry in json.loads(out)] == [True, False]


def test_reschedule_moves_the_task_and_prints_it(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document()
    assert shell("reschedule", "t1", "--run-at", "2030-01-01T01:00:00+01:00")[0] == 0
    assert shell.api.tasks["t1"]["runAt"] == "2030-01-01T00:00:00.000Z"
    assert shell("reschedule", "t1", "--delay", "1h")[0] == 0


@pytest.mark.parametrize(("state", "code"), [("SUCCESS", 0), ("DEAD", 1), ("FAILED", 1), ("CANCELLED", 1)])
def test_submit_with_wait_exits_by_the_final_state(shell: Shell, state: str, code: int) -> None:
    shell.api.tasks["t1"] = task_document(state=state)
    shell.api.by_key["k"] = "t1"
    assert shell("submit", "EMAIL", "--key", "k", "--wait")[0] == code
    assert shell("watch", "t1")[0] == code


def test_watch_without_terminal_prints_a_line_per_change(shell: Shell) -> None:
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


def test_ctrl_c_exits_130(shell: Shell) -> None:
    shell.api.answers = [KeyboardInterrupt()]
    assert shell("stats")[0] == 130


def test_output_of_a_task_has_no_control_characters(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document(type="[red]x\x1b[2J", state="FAILED", reason="a\nb")
    for argv in (("list",), ("get", "t1"), ("watch", "t1")):
        out = shell(*argv)[1]
        assert "\x1b" not in out
        assert "[red]x" in out


def test_help_lists_the_exit_codes(shell: Shell) -> None:
    code, out, _ = shell("--help")
    assert code == 0
    for number in (0, 1, 2, 3, 4, 5, 6, 130):
        assert f"  {number:>3}  " in out


@pytest.mark.parametrize("argv", [(), ("schedule",), ("workflow",)])
def test_command_line_without_command_shows_the_help(shell: Shell, argv: tuple[str, ...]) -> None:
    code, out, err = shell(*argv)
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: {' '.join(('taskyard', *argv))}")


def test_version_option_prints_the_version(shell: Shell) -> None:
    code, out, _ = shell("--version")
    assert code == 0
    assert re.fullmatch(r"taskyard \d+\.\d+\.\d+\n", out)


def unread(argv: tuple[str, ...], api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of a command whose reader has gone before its first line: nothing stays in a buffer."""
    reading, writing = os.pipe()
    os.close(reading)

    def connect(url: str | None, auth: str | None, tenant: str | None) -> Taskyard:
        return Taskyard(URL, "none", transport=httpx.MockTransport(api), sleep=Sleeper())

    with io.TextIOWrapper(os.fdopen(writing, "wb", 0), write_through=True) as gone, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", gone)
        code = main(argv, connect)
        assert sys.stdout is gone
        # It goes to /dev/null by now: Python's own flush at the end says nothing either.
        gone.write("more")
    return code


@pytest.mark.parametrize(("state", "code"), [("SUCCESS", 0), ("DEAD", 1), ("CANCELLED", 1)])
@pytest.mark.parametrize("argv", [("submit", "X", "--wait"), ("watch", "t1"), ("--json", "watch", "t1", "t2")])
def test_exit_code_with_closed_output_is_that_of_the_task(
    monkeypatch: pytest.MonkeyPatch, state: str, code: int, argv: tuple[str, ...]
) -> None:
    api = FakeApi()
    api.tasks |= {task: task_document(task, state) for task in ("t1", "t2")}
    api.answers = [httpx.Response(201, json=task_document("t1", "READY"))] if "submit" in argv else []
    assert unread(argv, api, monkeypatch) == code


@pytest.mark.timeout(20)
def test_watch_of_the_newest_tasks_ends_when_the_output_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeApi()
    api.tasks["t1"] = task_document("t1", "RUNNING")
    assert unread(("watch", "--interval", "0ms"), api, monkeypatch) == 0
    assert len(api.requests) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


CANCELLED = {"matched": 2, "cancelled": ["t1", "t2"], "refused": [], "cursor": None}


@pytest.mark.parametrize(
    ("argv", "typed", "sent", "word"),
    [
        (("--type", "X"), "y\n", [True, False], "2 cancelled"),
        (("--type", "X"), "\n", [True], "nothing was cancelled"),
        (("--type", "X"), "", [True], "nothing was cancelled"),
        (("--tag", "a=b"), "no\n", [True], "nothing was cancelled"),
        (("--type", "X", "--yes"), "", [False], "2 cancelled"),
        (("--type", "X", "--dry-run"), "", [True], "2 to cancel"),
        (("t1", "t2", "--reason", "x"), "", [False], "2 cancelled"),
    ],
)
def test_cancel_by_filter_on_a_terminal_asks_for_confirmation(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...], typed: str, sent: list[bool], word: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    shell.api.answers = [httpx.Response(200, json=CANCELLED | {"dryRun": dry}) for dry in sent]
    code, out, err = shell("cancel", *argv)
    assert code == 0
    assert [json.loads(request.content)["dryRun"] for request in shell.api.requests] == sent
    assert word in out + err
    assert ("Cancel 2 tasks? [y/N]" in err) == (sent[0] and "--dry-run" not in argv)


def test_cancel_by_filter_in_a_script_does_not_ask(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    shell.api.answers = [httpx.Response(200, json=CANCELLED | {"dryRun": False})]
    assert shell("cancel", "--type", "X")[0] == 0
    assert len(shell.api.requests) == 1


@pytest.mark.parametrize(
    ("argv", "answer", "text"),
    [
        (("list",), {"tasks": [], "cursor": None}, "no tasks"),
        (("dead-letters",), {"tasks": [], "cursor": None}, "no dead letters"),
        (("workflow", "list"), {"workflows": [], "cursor": None}, "no workflows"),
        (("schedule", "list"), {"schedules": [], "cursor": None}, "no schedules"),
        (("audit",), {"records": [], "cursor": None}, "no audit records"),
        (("undeliverable",), {"notifications": [], "cursor": None}, "nothing undeliverable"),
        (("stats",), {"states": {}, "types": {}, "lanes": {}}, "no tasks yet"),
        (("types",), {"components": {"schemas": {}}, "x-task-types": []}, "no task types"),
        (
            ("redrive", "--yes"),
            {"matched": 0, "redriven": 0, "skipped": 0, "dryRun": False, "cursor": None, "lastDue": None},
            "no dead letters",
        ),
        (
            ("cancel", "--type", "X"),
            {"matched": 0, "cancelled": [], "refused": [], "dryRun": False, "cursor": None},
            "nothing to cancel",
        ),
    ],
)
def test_empty_list_prints_a_message(shell: Shell, argv: tuple[str, ...], answer: dict[str, object], text: str) -> None:
    shell.api.answers = [httpx.Response(200, json=answer)]
    assert shell(*argv) == (0, f"{text}\n", "")


@pytest.mark.parametrize("argv", [("submit", "X"), ("reschedule", "t1")])
@pytest.mark.parametrize(
    ("late", "text"),
    [
        (timedelta(minutes=90, seconds=5), "1 h 30 min ago"),
        (timedelta(days=365, seconds=5), "365 days ago"),
        (timedelta(seconds=-60), ""),
    ],
)
def test_run_time_in_the_past_prints_a_warning(shell: Shell, argv: tuple[str, ...], late: timedelta, text: str) -> None:
    shell.api.tasks["t1"] = task_document()
    at = (datetime.now(UTC) - late).isoformat()
    code, _, err = shell(*argv, "--run-at", at)
    assert code == 0
    assert err == (f"taskyard: runs at once: the run time is {text}\n" if text else "")


def test_times_are_printed_with_date_and_zone(shell: Shell) -> None:
    shell.api.tasks["t1"] = task_document(createdAt="2026-02-01T10:00:03.120Z", startedAt="2026-02-01T11:00:00+01:00")
    out = shell("get", "t1")[1]
    assert "created       2026-02-01 10:00:03.120Z" in out
    assert "started       2026-02-01 10:00:00.000Z" in out
    assert "2026-02-01 10:00:00Z" in shell("list")[1]
    # As it stands there it can be given again.
    assert shell("reschedule", "t1", "--run-at", "2026-02-01 10:00:03.120Z")[0] == 0


def test_types_lists_task_types_with_the_fields_of_their_payloads(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "task-types.json"
    file.write_text(discover(functions.tasks).to_json())
    monkeypatch.setattr(wiring, "TASK_TYPES_FILE", str(file))
    wiring.registry.cache_clear()
    document = openapi.document(60)
    shell.api.answers = [httpx.Response(200, json=document)] * 2
    code, out, _ = shell("types")
    assert code == 0
    blocks = re.split(r"\n(?=\S)", out.strip())
    assert len(blocks) == len(document["x-task-types"])
    mail = next(block for block in blocks if block.startswith("SEND_EMAIL"))
    assert "  to*" in mail
    assert "also" in mail.splitlines()[0]
    listed = json.loads(shell("types", "--json")[1])
    assert {one["name"]: one["payload"] for one in listed}["SEND_EMAIL"]["required"]


SCHEDULE = {
    "id": "s1", "cron": "0 9 * * *", "rate": None, "timezone": "UTC", "name": "n", "paused": False,
    "task": {"type": "EMAIL", "payload": {"to": "a"}, "priority": 5}, "overlap": "allow", "catchUp": "none",
    "nextTimes": [], "startAt": None, "endAt": None, "createdAt": "2026-02-01T10:00:00.000Z",
    "fired": 0, "skipped": 0, "missed": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "sent"),
    [
        (("--cron", "0 8 * * *"), {"cron": "0 8 * * *"}),
        (("--rate", "5 minutes", "--overlap", "skip"), {"rate": "5 minutes", "overlap": "skip"}),
        (("--clear", "name", "--clear", "end-at"), {"name": None, "endAt": None}),
        (("--start-at", "2026-03-01T00:00:00+01:00"), {"startAt": "2026-02-28T23:00:00.000Z"}),
        (("--payload", '{"to": "b"}'), {"task": {"type": "EMAIL", "payload": {"to": "b"}, "priority": 5}}),
        (
            ("--type", "REPORT", "--priority", "high", "--name", "x"),
            {"name": "x", "task": {"type": "REPORT", "payload": {"to": "a"}, "priority": "high"}},
        ),
    ],
)
def test_schedule_update_changes_the_given_fields_only(shell: Shell, argv: tuple[str, ...], sent: object) -> None:
    shell.api.answers = [httpx.Response(200, json=SCHEDULE)] * 2
    assert shell("schedule", "update", "s1", *argv)[0] == 0
    assert shell.api.requests[-1].method == "PATCH"
    assert json.loads(shell.api.requests[-1].content) == sent
